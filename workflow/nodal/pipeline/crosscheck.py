"""What a schema cannot say: names that must exist, and settings that must fit each other."""

import itertools
import re
from urllib.parse import urlparse

from nodal import datasets, models
from nodal.datasets.images import require_each_channel
from nodal.datasets.tree import is_tree
from nodal.errors import NodalError, closest
from nodal.files.download import local_path
from nodal.pipeline import schemas

LISTS = ("run", "demo", "text")  # each is a target of the workflow
AUGMENTATION = {  # kind of input -> the settings of `train` that change it alone
    "image": ("crop", "interpolation", "flip", "shift", "mixup", "cutmix", "mix", "mix_switch",
              "randaugment", "erasing"),
    "text": ("word_dropout",),
}  # fmt: skip


def check(config, given):
    """Raise NodalError, one line that names the key, for settings that do not fit each other.

    config: with every default filled in. given: the same as the user wrote it.
    """
    for name, recipe in config["recipes"].items():
        if recipe.get("recipe") is not None:
            raise NodalError(
                f"config: recipes.{name}.recipe: a recipe cannot start from another; "
                "expected all its settings here"
            )
    for name, experiment in config["experiments"].items():
        _check_experiment(name, experiment, given, config["datasets"])
    _check_lists(config)
    for name, dataset in config["datasets"].items():
        _check_dataset(f"config: datasets.{name}", dataset, given["datasets"][name])


def _check_experiment(name, experiment, given, known_datasets):
    where = f"config: experiments.{name}"
    dataset = experiment["dataset"]
    if dataset not in known_datasets:
        raise NodalError(
            f"{where}.dataset: no dataset {dataset!r}; {closest(dataset, known_datasets)}"
        )
    try:
        description = models.describe(experiment["model"])
    except NodalError as error:
        raise NodalError(f"{where}.{error}") from error
    if "heads" in given["experiments"][name] and description.heads is None:
        raise NodalError(
            f"{where}.heads: {experiment['model']['name']} has no heads; expected no such section"
        )
    kind = datasets.SOURCES[known_datasets[dataset]["source"]].kind
    if description.kind != kind:
        raise NodalError(
            f"{where}.model.name: {experiment['model']['name']} takes {description.kind} inputs, "
            f"the dataset holds {kind}; expected a model for {kind}"
        )
    _check_sites(where, experiment["activations"]["sites"], description)
    for seed in experiment["atlas"]["seeds"] or ():
        if seed not in experiment["seeds"]:
            raise NodalError(
                f"{where}.atlas.seeds: no seed {seed}; expected of {experiment['seeds']}"
            )
    _check_augmentation(where, experiment["train"], kind)
    _check_pruning(where, experiment, description)
    train = experiment["train"]
    if train["warmup_epochs"] > train["epochs"] > 0:
        raise NodalError(
            f"{where}.train.warmup_epochs: {train['warmup_epochs']:g} is more than the "
            f"{train['epochs']} epochs; expected fewer"
        )
    compute = experiment["compute"]
    if compute["gpus"] and compute["device"] == "cpu":
        raise NodalError(
            f"{where}.compute.device: cpu, with {compute['gpus']} GPUs asked for; expected auto or "
            "cuda, or gpus: 0"
        )
    _check_pool(where, experiment, description)
    if description.batch_norm and train["batch_size"] == 1 and train["epochs"]:
        raise NodalError(
            f"{where}.train.batch_size: 1, but {experiment['model']['name']} has batch norm, whose "
            "statistics need more; expected at least 2"
        )
    _check_grid(where, experiment, known_datasets[dataset], description)
    _check_seeds(where, experiment)


def _check_seeds(where, experiment):
    """Refuse several seeds of weights that are given and not trained: they are one network."""
    train, n_seeds = experiment["train"], len(experiment["seeds"])
    pretrained = experiment["model"].get("pretrained") and not train["epochs"]
    reason = "train.checkpoint" if train["checkpoint"] else "model.pretrained with train.epochs: 0"
    if n_seeds > 1 and (train["checkpoint"] or pretrained):
        raise NodalError(
            f"{where}.seeds: {n_seeds} seeds of {reason} are the same network; expected one seed"
        )


def _check_augmentation(where, train, kind):
    """Refuse what is asked of inputs of another kind, by the experiment or by its recipe."""
    for other, keys in AUGMENTATION.items():
        for key in keys:
            if other != kind and train[key] != _default("train", key):
                raise NodalError(
                    f"{where}.train.{key}: changes {other} inputs, the dataset holds {kind}; "
                    "expected no such key, here or in the recipe"
                )


def _default(section, key):
    return schemas.load()["$defs"][section]["properties"][key]["default"]


def _check_sites(where, sites, description):
    for site in sites or ():
        if site not in description.sites:
            near = closest(site, description.sites)
            raise NodalError(f"{where}.activations.sites: the model has no site {site!r}; {near}")
    for block, layout in enumerate(description.layout):
        if sites and not set(sites) & set(layout):
            raise NodalError(
                f"{where}.activations.sites: block{block} has none of {', '.join(sites)}; "
                f"expected one of every block, here {', '.join(layout)}"
            )


def pool(experiment):
    """The form in which an experiment pools tokens: as it says, else as its model suggests."""
    asked = experiment["activations"]["pool"]
    encoders = models.describe(experiment["model"]).heads is not None
    return asked or ("sequence" if encoders else "grid")


def _check_pool(where, experiment, description):
    has_tokens = description.heads is not None or description.family == "external"
    if experiment["activations"]["pool"] == "sequence" and not has_tokens:
        raise NodalError(
            f"{where}.activations.pool: {experiment['model']['name']} has maps, not tokens; "
            "expected grid"
        )
    grid = experiment["activations"]["grid"]
    if pool(experiment) == "sequence" and grid != _default("activations", "grid"):
        raise NodalError(
            f"{where}.activations.grid: {grid}, but its tokens are read through sequence pooling; "
            "expected pool: grid beside it, or no grid"
        )


def _check_pruning(where, experiment, description):
    pruning, sites = experiment["pruning"], experiment["activations"]["sites"]
    if not description.edges or not pruning["methods"] or experiment["network"]:
        return
    if not pruning["dilutions"] and not pruning["thresholds"]:
        raise NodalError(
            f"{where}.pruning.dilutions: none, and no thresholds; expected some, or methods: []"
        )
    for scope in pruning["tuned_scopes"]:
        if scope not in pruning["scopes"]:
            raise NodalError(
                f"{where}.pruning.tuned_scopes: {scope!r} is not among the scopes; expected of "
                f"{', '.join(pruning['scopes'])}, or [] for no fine-tuning"
            )
    if not models.prunable(description, sites, pruning["scopes"]):
        read = ", ".join(sites) if sites else "all sites"
        raise NodalError(
            f"{where}.activations.sites: pruning needs both ends of a weight matrix of "
            f"{', '.join(pruning['scopes'])}, and {read} have none; expected other sites or "
            "scopes, or pruning.methods: []"
        )


def _check_grid(where, experiment, dataset, description):
    """A grid finer than every tap; it can be refused only where the image size is known."""
    if pool(experiment) == "sequence":
        return
    size = image_size(dataset)
    grid = experiment["activations"]["grid"]
    if size is None:
        return
    side = models.token_side(description, size)
    if side is not None and grid > side:
        raise NodalError(
            f"{where}.activations.grid: {grid} x {grid} positions, but the model has "
            f"{side} x {side} tokens; expected at most {side}"
        )


def image_size(dataset):
    """Side of a dataset's images in pixels, None where only its file can tell."""
    source = datasets.SOURCES[dataset["source"]]
    if source.image_shape:
        return source.image_shape[1]
    return dataset["size"] if "size" in source.settings else None


def _check_dataset(where, dataset, given):
    source = datasets.SOURCES[dataset["source"]]
    path = dataset["path"]
    obeyed = datasets.obeyed(dataset["source"])
    for key, value in given.items():
        if key not in obeyed and value != _default("dataset", key):
            raise NodalError(
                f"{where}.{key}: a {dataset['source']} dataset has no such key; expected of "
                f"{', '.join(obeyed)}"
            )
    if source.local and not path:
        raise NodalError(f"{where}.path: a {dataset['source']} dataset needs one")
    if path and urlparse(path).scheme not in ("", "file"):
        raise NodalError(f"{where}.path: {path} is an address; expected a local file or folder")
    if source.local and "test" in datasets.own_files(dataset) and is_tree(path):
        raise NodalError(
            f"{where}.test: {dataset['test']} stands beside a folder; expected a table as path, or "
            "test: test or val"
        )
    datasets.check(where, dataset)
    shape = source.image_shape
    channels = shape[0] if shape else dataset["channels"] if "size" in source.settings else None
    if channels:
        require_each_channel(where, dataset, channels)


def _check_lists(config):
    experiments = config["experiments"]
    lists = {key: config[key] for key in LISTS}
    lists |= {f"compare.{name}": members for name, members in config["compare"].items()}
    for key, names in lists.items():
        for name in names:
            if name not in experiments:
                raise NodalError(
                    f"config: {key}: no experiment {name!r}; {closest(name, experiments)}"
                )


def unlike(experiments, members):
    """What keeps members of a comparison from standing side by side, in words; None: nothing."""
    for key, name in itertools.product(("threshold", "split"), members):
        found, expected = (experiments[each]["snp"][key] for each in (name, members[0]))
        if found != expected:
            return f"snp.{key} of {name} is {found}, of {members[0]} {expected}"
    return None


def require_files(config):
    """Raise NodalError naming a key whose file or folder, on this machine, is not there."""
    for name, dataset in config["datasets"].items():
        files = datasets.own_files(dataset) | ({"data": dataset["path"]} if dataset["path"] else {})
        for what, path in files.items():
            _require_file(f"datasets.{name}.{datasets.OWN[what]}", path)
    for name, experiment in config["experiments"].items():
        _require_file(f"experiments.{name}.train.checkpoint", experiment["train"]["checkpoint"])
        _require_file(f"experiments.{name}.model.pretrained", experiment["model"].get("pretrained"))


def _require_file(key, address):
    path = local_path(address) if address else None
    if path and not path.exists():
        raise NodalError(f"config: {key}: {path}: no such file or directory")


def check_targets(targets):
    """Raise NodalError for a pruned network that is asked for by a percent that is no dilution."""
    for target in targets:
        asked = re.search(r"pruned/\w+_([\d.]+)\.pt$", str(target))
        if asked and not 0 < float(asked[1]) < 100:
            raise NodalError(
                f"{target}: a dilution of {float(asked[1]) / 100:g}; "
                "expected more than 0 and less than 100 percent"
            )
