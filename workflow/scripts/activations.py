"""Dump every tap. In: the dataset, a model, queries. Out: a file a block, its extremes, logits."""

import torch  # noqa: F401  before the job limits its cores
from nodal import activations, datasets, pooling, training
from nodal.files import storage
from nodal.pipeline.jobs import job


def forms(path, device, settings, model):
    """How tokens are pooled: by the queries of a file, or over a grid where there is none."""
    if not path:
        return pooling.Grid(settings["grid"])
    with storage.read_hdf5(path) as file:
        activations.require_own_queries(path, dict(file.attrs), training.content(model))
        return pooling.Sequence(
            {tap: pooling.read_query(group, device) for tap, group in file.items()}
        )


with job(snakemake) as log:
    params, output = snakemake.params, snakemake.output
    device = training.pick_device(params.device)
    model, _ = training.load_model(snakemake.input.model, device)
    attributes = {"experiment": params.experiment, "seed": int(snakemake.wildcards.seed)}
    targets = activations.Targets(
        *({f"block{b}": path for b, path in enumerate(paths)}
          for paths in (output.activations, output.extremes)),
        output.get("logits"),
    )  # fmt: skip
    with datasets.opened(snakemake.input.dataset) as dataset:
        activations.dump(
            model, training.Task.streamed(dataset, device),
            forms(
                snakemake.input.get("queries"), device, params.settings, snakemake.input.model
            ),
            params.settings, params.precision, targets, {**attributes, **params.settings},
        )  # fmt: skip
    log(f"wrote {len(output.activations)} blocks")
