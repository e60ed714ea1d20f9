"""Take published weights in place of training. Out: model.pt and an empty history.csv."""

import pandas as pd
import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, models, training
from nodal.files import storage
from nodal.pipeline.jobs import job

with job(snakemake) as log, datasets.opened(snakemake.input.dataset) as dataset:
    params = snakemake.params
    task = training.Task.of_job(dataset, params.device, snakemake.resources.mem_mb)
    model = training.initial_model(params.model, dataset, seed=0)
    models.load_pretrained(model, params.weights)
    accuracy, loss = training.evaluate(model.to(task.device), task, params.train["precision"])
    log(f"test accuracy {accuracy:.4f}, cross-entropy {loss:.4f}")
    storage.write_csv(snakemake.output.history, pd.DataFrame(columns=training.HISTORY))
    training.save_model(
        snakemake.output.model, model, params.model, dataset, accuracy,
        checkpoint=str(params.weights), experiment=snakemake.wildcards.experiment,
    )  # fmt: skip
