"""Silence each head. In: the dataset and a model. Out: accuracy per block, head and label."""

import pandas as pd
import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, sweep, training
from nodal.files import storage
from nodal.pipeline.jobs import job

with job(snakemake) as log, datasets.opened(snakemake.input.dataset) as dataset:
    params = snakemake.params
    task = training.Task.of_job(dataset, params.device, snakemake.resources.mem_mb)
    model, _ = training.load_model(snakemake.input.model, task.device)
    rows = sweep.silence_heads(model, task, params.heads, params.blocks, params.precision)
    storage.write_csv(snakemake.output[0], pd.DataFrame(rows))
    log(f"silenced {params.heads} heads in {params.blocks} blocks")
