"""Put experiments side by side. In: their layer tables. Out: a table, claims and a figure."""

from pathlib import Path

import pandas as pd
from nodal import figures
from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts.claims import unified
from nodal.verdicts.judge import lines

with job(snakemake) as log:
    layers = {
        name: storage.read_csv(path)
        for name, path in zip(snakemake.params.experiments, snakemake.input, strict=True)
    }
    table = pd.concat([t[t.headline].assign(experiment=name) for name, t in layers.items()])
    storage.write_csv(snakemake.output.table, table)
    verdicts = unified(layers, snakemake.params.networks)
    storage.write_csv(snakemake.output.claims, verdicts)
    figures.draw_comparison(table, Path(snakemake.output.table).parent)
    for line in lines(verdicts):
        log(line)
