"""Train the readouts of a block. In: its activations. Out: weights, class means, accuracies."""

import torch
from nodal import readout, storage
from nodal.jobs import job
from nodal.training import pick_device


def store(group, result, activations):
    storage.put(group, "weights", result.weights)
    storage.put(group, "label_accuracy", result.label_accuracy)
    if result.head_accuracy is not None:
        storage.put(group, "head_accuracy", result.head_accuracy)
    for split in ("train", "test"):
        storage.put(group, f"class_means/{split}", activations[f"class_means/{split}"][:])
    if "rms" in activations:
        storage.put(group, "rms", activations["rms"][:])
    group.attrs.update(
        {
            **{f"accuracy_{split}": value for split, value in result.accuracy.items()},
            "n_test": len(activations["test"]),
            "n_labels": len(result.weights),
            "penalty": result.penalty,
            "distance": result.distance,
            "gradient_norm": result.gradient_norm,
            "iterations": result.iterations,
            "objective": result.objective,
        }
    )


with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    device = pick_device(params.device)
    attributes = {"experiment": wildcards.experiment, "seed": int(wildcards.seed)}
    attributes |= {"block": int(wildcards.block), **params.settings}
    with (
        storage.read_hdf5(snakemake.input.activations) as source,
        storage.write_hdf5(snakemake.output[0], attributes) as target,
    ):
        labels = {
            split: torch.from_numpy(source[f"labels/{split}"][:]).to(device)
            for split in ("train", "test")
        }
        for site in params.sites:
            result = readout.fit(
                source[f"{site}/train"], labels["train"], source[f"{site}/test"], labels["test"],
                int(labels["train"].max()) + 1, params.settings,
                params.heads if site in params.head_sites else None,
            )  # fmt: skip
            store(target.create_group(site), result, source[site])
            log(
                f"{site}: test accuracy {result.accuracy['test']:.4f}, penalty {result.penalty:g}, "
                f"within {result.distance:.1%} of the optimum, {result.iterations} steps"
            )
            if not result.distance <= params.settings["tolerance"]:
                log(f"{site}: stopped early; raise readout.max_iterations")
