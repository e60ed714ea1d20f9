"""Heads of all seeds and blocks. In: heads/block{b}.csv. Out: tables/heads.csv."""

from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts import tables

with job(snakemake) as log:
    frames = [
        storage.read_csv(path).assign(seed=seed)
        for path, (seed, _) in zip(snakemake.input, snakemake.params.places, strict=True)
    ]
    storage.write_csv(snakemake.output[0], tables.head_table(frames))
    log(f"{len(frames)} blocks")
