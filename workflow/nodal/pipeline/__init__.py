"""What Snakemake's side needs, and no science: no module of the measurement imports it."""
