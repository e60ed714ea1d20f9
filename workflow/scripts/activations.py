"""Dump every tap. In: the dataset and a model. Out: one HDF5 file per block."""

import torch  # noqa: F401  before the job limits its cores
from nodal import activations, datasets, training
from nodal.jobs import job

with job(snakemake) as log:
    params = snakemake.params
    device = training.pick_device(params.device)
    model, _ = training.load_model(snakemake.input.model, device)
    attributes = {"experiment": params.experiment, "seed": int(snakemake.wildcards.seed)}
    with datasets.opened(snakemake.input.dataset) as dataset:
        activations.dump(
            model, training.Task.streamed(dataset, device), params.settings, params.precision,
            {f"block{b}": path for b, path in enumerate(snakemake.output)},
            {**attributes, **params.settings},
        )  # fmt: skip
    log(f"wrote {len(snakemake.output)} blocks")
