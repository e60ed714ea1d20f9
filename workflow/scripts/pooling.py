"""Learn how each tap's tokens are pooled. In: the dataset, a model. Out: a query per tap."""

import torch
from nodal import datasets, pooling, training
from nodal.datasets import splits
from nodal.files import storage
from nodal.pipeline.jobs import job

with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    device = training.pick_device(params.device)
    memory = training.room(device, snakemake.resources.mem_mb)
    model, _ = training.load_model(snakemake.input.model, device)
    attributes = {"experiment": wildcards.experiment, "seed": int(wildcards.seed)}
    with datasets.opened(snakemake.input.dataset) as dataset:
        part = splits.learning_part(
            dataset.train.labels, params.holdout, params.settings["share"], int(wildcards.seed)
        )
        learning = torch.from_numpy(part)
        log(f"{len(learning):,} of {len(dataset.train.labels):,} training inputs to learn from")
        found = pooling.learn(
            model, training.Task.bounded(dataset, device), learning,
            {**params.settings, "sites": params.sites}, params.precision, int(wildcards.seed),
            memory=memory,
        )  # fmt: skip
    with storage.write_hdf5(snakemake.output[0], {**attributes, **params.settings}) as file:
        file.attrs["network"] = training.content(snakemake.input.model)
        for tap, (query, scale) in found.items():
            storage.put(file, f"{tap}/query", query.cpu().numpy())
            storage.put(file, f"{tap}/scale", scale.cpu().numpy())
    log(f"learned the queries of {len(found)} taps")
