"""A pruned and tuned network. In: dataset, model, readouts. Out: a file like model.pt."""

import torch  # noqa: F401  before the job limits its cores
from nodal import datasets, sweep, training
from nodal.pipeline.jobs import job

with job(snakemake) as log, datasets.opened(snakemake.input.dataset) as dataset:
    params, wildcards = snakemake.params, snakemake.wildcards
    settings = {
        **params.settings, "dilutions": [params.target], "thresholds": [],
        "scopes": ["all"], "tuned_scopes": ["all"],
    }  # fmt: skip
    task = training.Task.of_job(dataset, params.device, snakemake.resources.mem_mb)
    model, content = training.load_model(snakemake.input.model, task.device)
    measured = sweep.read_measured(snakemake.input.readouts, params.sites, settings["split"])
    [cut] = sweep.cuts(model, measured, settings)
    if not cut.reached:
        log(f"{cut.name}: cannot be reached, the nearest dilution is {cut.dilution:.3f}")
    pruned, row = sweep.prune_network(
        model, task, measured, wildcards.method, cut, params.train, settings, int(wildcards.seed)
    )
    accuracy = row["accuracy_tuned" if cut.tuned else "accuracy_pruned"]
    training.save_model(
        snakemake.output[0], sweep.make_permanent(pruned), content["model"], dataset, accuracy,
        about={"method": wildcards.method, **row}, pruning=settings,
        experiment=wildcards.experiment, seed=int(wildcards.seed),
    )  # fmt: skip
    log(f"{cut.n_kept} of {cut.n_weights} weights kept, test accuracy {accuracy:.4f}")
