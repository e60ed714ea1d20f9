"""Train one seed. In: the dataset. Out: model.pt and history.csv, one row per epoch."""

import sys
from pathlib import Path

import pandas as pd
import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, training
from nodal.files import storage
from nodal.pipeline.jobs import job, missing_gpu

with job(snakemake) as log, datasets.opened(snakemake.input.dataset) as dataset:
    params, seed = snakemake.params, int(snakemake.wildcards.seed)
    device = training.pick_device(params.device)
    slow = training.slow_precision(device, params.train["precision"])
    missing = missing_gpu(device, snakemake.resources.get("gpu", 0))
    for line in filter(None, (missing, slow)):
        log(line)
        print(line, file=sys.stderr)
    memory = training.room(device, snakemake.resources.mem_mb)
    task = training.Task.bounded(dataset, device, memory)
    if isinstance(task.train_inputs, training.Stream):
        size = training.n_bytes(dataset.train.inputs)
        log(
            f"{size / 1e9:.1f} GB of training inputs stay on disk; {memory / 1e9:.1f} GB are theirs"
        )
    model = training.initial_model(params.model, dataset, seed).to(device)
    log(f"{sum(p.numel() for p in model.parameters()):,} parameters on {device}")
    history = training.fit(
        model, task, params.train, seed, params.checkpoint,
        on_epoch=lambda row: log(", ".join(f"{key} {value:.4g}" for key, value in row.items())),
        say=log, data=dataset.digest, pretrained=training.content(params.model.get("pretrained")),
        network={k: v for k, v in params.model.items() if k != "pretrained"},
    )  # fmt: skip
    accuracy, loss = training.evaluate(model, task, params.train["precision"])
    log(f"test accuracy {accuracy:.4f}, cross-entropy {loss:.4f}")
    storage.write_csv(snakemake.output.history, pd.DataFrame(history, columns=training.HISTORY))
    training.save_model(
        snakemake.output.model, model, params.model, dataset, accuracy,
        train=params.train, experiment=snakemake.wildcards.experiment, seed=seed,
        about={"code": params.code, "data": params.data},
    )  # fmt: skip
    Path(params.checkpoint).unlink(missing_ok=True)
