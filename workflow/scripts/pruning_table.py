"""Pruning of all seeds and methods. In: pruning/{method}.csv. Out: tables/pruning.csv, free.csv."""

from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts import dilution

with job(snakemake) as log:
    frames = [
        storage.read_csv(path).assign(seed=seed, method=method)
        for path, (seed, method) in zip(snakemake.input, snakemake.params.sweeps, strict=True)
    ]
    table = dilution.pruning_table(frames, snakemake.params.settings)
    storage.write_csv(snakemake.output.table, table)
    storage.write_csv(snakemake.output.free, dilution.free_table(table))
    log(f"{len(frames)} sweeps")
