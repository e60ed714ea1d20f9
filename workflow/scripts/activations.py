"""Dump every tap. In: the dataset and a model. Out: one HDF5 file per block."""

import torch  # noqa: F401  before the job limits its cores
from nodal import activations, datasets, training
from nodal.jobs import job

with job(snakemake) as log:
    params = snakemake.params
    dataset = datasets.load(snakemake.input.dataset)
    task = training.Task.from_dataset(dataset, training.pick_device(params.device))
    model, _ = training.load_model(snakemake.input.model, task.device)
    attributes = {"experiment": params.experiment, "seed": int(snakemake.wildcards.seed)}
    activations.dump(
        model, task, params.settings, params.precision,
        {f"block{b}": path for b, path in enumerate(snakemake.output)},
        {**attributes, **params.settings},
    )  # fmt: skip
    log(f"wrote {len(snakemake.output)} blocks")
