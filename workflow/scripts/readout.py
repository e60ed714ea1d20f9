"""Train the readouts of blocks. In: their activations. Out: weights, class means, accuracies."""

import torch
from nodal import activations, readout
from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.training import pick_device

SPLITS = ("train", "test")


def store(group, result, source, pooled, choices, n_test):
    """Keep a site's readout, and of the dump what goes on from the form that was kept."""
    storage.put(group, "weights", result.weights)
    storage.put(group, "label_accuracy", result.label_accuracy)
    if result.head_accuracy is not None:
        storage.put(group, "head_accuracy", result.head_accuracy)
        storage.put(group, "head_auc", result.head_auc)
    for split in SPLITS:
        storage.put(group, f"class_means/{split}", source[f"{pooled}/class_means/{split}"][:])
    if "rms" in source:
        storage.put(group, "rms", source["rms"][:])
    found = {f"accuracy_{split}": value for split, value in result.accuracy.items()}
    for form, choice in choices.items():
        found[f"held_out_loss_{form}"] = choice.loss
        found[f"held_out_accuracy_{form}"] = choice.accuracy
    found |= {"pooled": pooled, "n_test": n_test, "majority_share": result.majority_share}
    found |= {"n_labels": len(result.weights), "penalty": result.penalty}
    found |= {"distance": result.distance, "gradient_norm": result.gradient_norm}
    found |= {"iterations": result.iterations, "objective": result.objective}
    group.attrs.update(found)


def measure(source, target, sites, params, log):
    """Read a block: choose each site's form, train its readout, store it."""
    device = pick_device(params.device)
    labels = {split: torch.from_numpy(source[f"labels/{split}"][:]).to(device) for split in SPLITS}
    n_classes = int(labels["train"].max()) + 1
    for site in sites:
        forms = {
            form: {split: activations.read(source[site][form], split) for split in SPLITS}
            for form in params.forms
        }
        pooled, choices = readout.choose_form(
            {form: splits["train"] for form, splits in forms.items()},
            labels["train"], n_classes, params.settings,
        )  # fmt: skip
        result = readout.fit(
            forms[pooled]["train"], labels["train"], forms[pooled]["test"], labels["test"],
            n_classes, params.settings, params.heads if site in params.head_sites else None,
            choices[pooled],
        )  # fmt: skip
        store(target.create_group(site), result, source[site], pooled, choices, len(labels["test"]))
        log(
            f"{site}, {pooled}: test accuracy {result.accuracy['test']:.4f}, penalty "
            f"{result.penalty:g}, within {result.distance:.1%} of the optimum, "
            f"{result.iterations} steps"
        )
        if not result.distance <= params.settings["tolerance"]:
            log(f"{site}: stopped early; raise readout.max_iterations")


with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    attributes = {"experiment": wildcards.experiment, "seed": int(wildcards.seed)}
    attributes |= params.settings
    for path, made, (block, sites) in zip(
        snakemake.input, snakemake.output, params.sites.items(), strict=True
    ):
        log(f"block {block}")
        with (
            storage.read_hdf5(path) as source,
            storage.write_hdf5(
                made, attributes | {"block": block, "activations": storage.settings_of(source)}
            ) as target,
        ):
            measure(source, target, sites, params, log)
