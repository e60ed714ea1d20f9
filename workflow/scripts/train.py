"""Train one seed. In: the dataset. Out: model.pt and history.csv, one row per epoch."""

from pathlib import Path

import pandas as pd
import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, storage, training
from nodal.jobs import job

with job(snakemake) as log:
    params, seed = snakemake.params, int(snakemake.wildcards.seed)
    dataset = datasets.load(snakemake.input.dataset)
    task = training.Task.from_dataset(dataset, training.pick_device(params.device))
    model = training.initial_model(params.model, dataset, seed).to(task.device)
    log(f"{sum(p.numel() for p in model.parameters()):,} parameters on {task.device}")
    history = training.fit(
        model, task, params.train, seed, params.checkpoint,
        on_epoch=lambda row: log(", ".join(f"{key} {value:.4g}" for key, value in row.items())),
        on_resume=lambda done: log(f"goes on after epoch {done}, from {params.checkpoint}"),
        identity=[params.model, params.dataset],
    )  # fmt: skip
    accuracy, loss = training.evaluate(model, task, params.train["precision"])
    log(f"test accuracy {accuracy:.4f}, cross-entropy {loss:.4f}")
    storage.write_csv(snakemake.output.history, pd.DataFrame(history, columns=training.HISTORY))
    training.save_model(
        snakemake.output.model, model, params.model, dataset, accuracy,
        train=params.train, experiment=snakemake.wildcards.experiment, seed=seed,
    )  # fmt: skip
    Path(params.checkpoint).unlink(missing_ok=True)
