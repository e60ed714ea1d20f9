"""Experiments that read the networks of another: what they take from it, and what they may say."""

from copy import deepcopy

from nodal.errors import NodalError, closest

TAKEN = ("dataset", "model", "train", "seeds")  # what a network is, so the other experiment's
REFUSED = (*TAKEN, "pruning")  # pruning is done once, on the network's own experiment


def share(experiments):
    """Fill in, in place, what every experiment that has a `network` takes from it.

    Raises NodalError naming the key: where the network is no experiment, the same one or one that
    has a network itself; where a key beside it would change the network; and where an experiment
    has neither a network nor a dataset and a model.
    """
    for name, experiment in experiments.items():
        where = f"config: experiments.{name}"
        if experiment.get("network") is None:
            for key in ("dataset", "model"):
                if key not in experiment:
                    raise NodalError(f"{where}: the key {key!r} is missing")
            continue
        _check(where, name, experiment, experiments)
    for experiment in experiments.values():
        owner = experiments.get(experiment.get("network"), {})
        experiment |= {key: deepcopy(owner[key]) for key in TAKEN if key in owner}


def _check(where, name, experiment, experiments):
    owner = experiment["network"]
    if owner not in experiments:
        near = closest(owner, experiments)
        raise NodalError(f"{where}.network: no experiment {owner!r}; {near}")
    if owner == name:
        raise NodalError(f"{where}.network: names itself; expected another experiment")
    if experiments[owner].get("network") is not None:
        raise NodalError(
            f"{where}.network: {owner} reads the networks of {experiments[owner]['network']}; "
            "expected an experiment that trains its own"
        )
    for key in REFUSED:
        if key in experiment:
            raise NodalError(
                f"{where}.{key}: is that of the network, {owner}; expected no such key"
            )
