"""What a config may ask for, and is worth a line: it will not do what one may think."""

from nodal import models
from nodal.pipeline.crosscheck import LISTS, unlike


def of(config):
    """A checked config -> lines that name the key."""
    yield from _apart(config)
    for name, experiment in config["experiments"].items():
        yield from _untrained(name, experiment)
        yield from _other_heads(name, experiment)
        yield from _idle(name, experiment)


def _apart(config):
    """Comparisons that no target makes: of what is measured in two ways, or is in no list."""
    for name, members in config["compare"].items():
        reason = unlike(config["experiments"], members)
        if reason:
            yield f"compare.{name}: not made, for {reason}"
        elif not any(set(members) <= set(config[key]) for key in LISTS):
            yield (
                f"compare.{name}: {', '.join(members)} are not in one list of {', '.join(LISTS)}; "
                "made only if asked for: snakemake --cores all "
                f"results/comparisons/{name}/layers.csv"
            )


def _untrained(name, experiment):
    train, weights = experiment["train"], experiment["model"].get("pretrained")
    if not (train["epochs"] or train["checkpoint"] or weights or experiment["network"]):
        yield (
            f"experiments.{name}.train.epochs: 0 without model.pretrained or train.checkpoint: "
            "networks are measured as they are drawn, timm's and torchvision's too"
        )


def _other_heads(name, experiment):
    """Weights load with any number of heads, and then compute something else."""
    described = models.describe(experiment["model"])
    given = experiment["train"]["checkpoint"] and not experiment["network"]
    if described.family != "cct" or not given:
        return
    width, depth = described.settings["width"], described.settings["depth"]
    published = models.HEADS.get((width, depth), described.heads)
    if published != described.heads:
        yield (
            f"experiments.{name}.model.heads: {described.heads}; the published network of width "
            f"{width} and depth {depth} has {published}, and weights do not tell"
        )


def _idle(name, experiment):
    """Sections that say something to which nothing listens."""
    if experiment["activations"]["pool"] == "grid" and experiment["pooling"].differing:
        yield f"experiments.{name}.pooling: has no effect, its taps are read on a grid"
    edges = models.describe(experiment["model"]).edges
    if not edges and experiment["pruning"].differing:
        yield f"experiments.{name}.pruning: has no effect, no weights between model.taps are known"
