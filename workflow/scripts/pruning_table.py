"""Pruning of all seeds and methods. In: pruning/{method}.csv. Out: tables/pruning.csv."""

import pandas as pd
from nodal import storage
from nodal.jobs import job

with job(snakemake) as log:
    frames = [
        storage.read_csv(path).assign(seed=seed)
        for path, seed in zip(snakemake.input, snakemake.params.seeds, strict=True)
    ]
    storage.write_csv(snakemake.output[0], pd.concat(frames).assign(margin=snakemake.params.margin))
    log(f"{len(frames)} sweeps")
