"""Sweep theta with one method. In: dataset, model, readouts. Out: accuracy against dilution."""

import pandas as pd
import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, storage, sweep, training
from nodal.jobs import job

with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    dataset = datasets.load(snakemake.input.dataset)
    task = training.Task.from_dataset(dataset, training.pick_device(params.device))
    model, _ = training.load_model(snakemake.input.model, task.device)
    measured = sweep.Measured({}, {}, {})
    for block, path in enumerate(snakemake.input.readouts):
        with storage.read_hdf5(path) as file:
            for site in (site for site in params.sites if site in file):
                tap, group = f"block{block}.{site}", file[site]
                measured.means[tap] = group[f"class_means/{params.settings['split']}"][:]
                measured.weights[tap] = group["weights"][:]
                if "rms" in group:
                    measured.rms[tap] = group["rms"][:]
    rows = sweep.sweep(
        model, task, measured, wildcards.method, params.train, params.settings,
        int(wildcards.seed),
    )  # fmt: skip
    storage.write_csv(snakemake.output[0], pd.DataFrame(rows))
    log(f"{len(rows)} networks pruned")
