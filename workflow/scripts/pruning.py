"""Prune one network by one or several methods. In: dataset, model, readouts. Out: a table of each.

The method `dense` removes nothing: it is the reference, tuned as the others are.
"""

from pathlib import Path

import pandas as pd
import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, sweep, training
from nodal.files import storage
from nodal.pipeline.jobs import job

with job(snakemake) as log, datasets.opened(snakemake.input.dataset) as dataset:
    params, seed = snakemake.params, int(snakemake.wildcards.seed)
    train, settings = params.train, params.settings
    task = training.Task.of_job(dataset, params.device, snakemake.resources.mem_mb)
    model, _ = training.load_model(snakemake.input.model, task.device)
    measured = sweep.read_measured(snakemake.input.readouts, params.sites, settings["split"])
    cuts = sweep.cuts(model, measured, settings)
    for cut in cuts:
        if not cut.reached:
            log(f"{cut.name}: cannot be reached, the nearest dilution is {cut.dilution:.3f}")
        if cut.coincides == cut.coincides:
            log(f"{cut.name}: the same network as at {cut.coincides:g}, measured there")
    for path in snakemake.output:
        method, rows = Path(path).stem, []
        if method == "dense":
            rows = sweep.dense(model, task, cuts, train, settings, seed)
        else:
            for row in sweep.sweep(model, task, measured, method, cuts, train, settings, seed):
                rows.append(row)
                log(
                    f"{method}, {len(rows)} of {len(cuts)}: {row['scope']} at "
                    f"{row['dilution']:.3f}, accuracy {row['accuracy_pruned']:.4f}, "
                    f"tuned {row['accuracy_tuned']:.4f}"
                )
        storage.write_csv(path, pd.DataFrame(rows))
