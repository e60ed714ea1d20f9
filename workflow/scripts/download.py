"""Fetch one published file of a dataset, or a published checkpoint, and verify it."""

from nodal.files.download import fetch
from nodal.pipeline.jobs import job

with job(snakemake) as log:
    fetch(
        snakemake.wildcards.file,
        snakemake.params.addresses,
        snakemake.output[0],
        snakemake.params.md5,
        snakemake.params.size,
    )
    log(f"verified {snakemake.output[0]}")
