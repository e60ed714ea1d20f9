from types import SimpleNamespace

from snakemake.exceptions import WorkflowError

from nodal import config as nodal_config
from nodal import datasets, download, figures, lock, models
from nodal.errors import NodalError

try:
    CONFIG = nodal_config.check(config)
except NodalError as error:
    raise WorkflowError(str(error)) from None

lock.release_if_abandoned()

EXPERIMENTS = CONFIG["experiments"]
DATASETS = CONFIG["datasets"]
MODELS = {name: models.describe(e["model"]) for name, e in EXPERIMENTS.items()}
TRAINED = [name for name, e in EXPERIMENTS.items() if not e["train"]["checkpoint"]]
PUBLISHED = [name for name in EXPERIMENTS if name not in TRAINED]
SEED = "results/{experiment}/seed{seed}"


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    dataset="|".join(DATASETS),
    seed=r"\d+",
    block=r"\d+",
    method="|".join(["andc", "random", "magnitude", "wanda", "random_labels"]),


def experiment(wildcards):
    return EXPERIMENTS[wildcards.experiment]


def model(wildcards):
    return MODELS[wildcards.experiment]


def setting(*keys):
    """A rule's param: the value at those keys of the experiment's section."""

    def value(wildcards):
        section = experiment(wildcards)
        for key in keys:
            section = section[key]
        return section

    return value


def sites(wildcards):
    """The sites that are read, in the order data meets them: of a block, or of all blocks."""
    wanted = experiment(wildcards)["activations"]["sites"]
    described = model(wildcards)
    block = getattr(wildcards, "block", None)
    known = described.sites if block is None else described.layout[int(block)]
    return [site for site in known if wanted is None or site in wanted]


def head_sites(wildcards):
    return [site for site in sites(wildcards) if site in model(wildcards).head_sites]


def headline(wildcards):
    """The sites that stand for a sub-block, as far as they are read."""
    read = sites(wildcards)
    return [site for site in model(wildcards).outputs.values() if site in read] or read[-1:]


def has_pruning(name):
    return MODELS[name].edges and bool(EXPERIMENTS[name]["pruning"]["methods"])


def has_heads(name):
    wanted = EXPERIMENTS[name]["activations"]["sites"]
    return MODELS[name].heads is not None and (wanted is None or "heads" in wanted)


def threads(wildcards):
    return experiment(wildcards)["compute"]["threads"]


def memory(wildcards):
    return experiment(wildcards)["compute"]["memory_mb"]


def minutes(wildcards):
    return int(60 * experiment(wildcards)["compute"]["hours"])


def gpus(wildcards):
    return experiment(wildcards)["compute"]["gpus"]


def dataset_file(wildcards):
    return f"results/data/{experiment(wildcards)['dataset']}.h5"


def places(name):
    """Every (seed, block) of an experiment, the order of all its tables."""
    return [(s, b) for s in EXPERIMENTS[name]["seeds"] for b in range(MODELS[name].blocks)]


def per_block(pattern):
    """An input function: a file for every seed and block."""

    def files(wildcards):
        name = wildcards.experiment
        return [
            f"results/{name}/seed{seed}/{pattern.format(block=block)}"
            for seed, block in places(name)
        ]

    return files


def source(name):
    return datasets.SOURCES[DATASETS[name]["source"]]


def published(wildcards):
    """{file name: its size and checksum} of a dataset, or of an experiment's checkpoint."""
    if wildcards.dataset in DATASETS:
        return source(wildcards.dataset).files
    return {}


def addresses(wildcards):
    mirrors = DATASETS[wildcards.dataset]["mirrors"] or source(wildcards.dataset).mirrors
    return [f"{mirror.rstrip(chr(47))}/{wildcards.file}" for mirror in mirrors]


def dataset_files(wildcards):
    """{name: path} of what a dataset is made from: local files where given, else downloads."""
    settings, files = DATASETS[wildcards.dataset], source(wildcards.dataset).files
    if source(wildcards.dataset).local:
        return {"data": str(download.local_path(settings["path"]))}
    if settings["path"]:
        return {name: str(download.locate(settings["path"], name)) for name in files}
    return {name: f"results/downloads/{wildcards.dataset}/{name}" for name in files}


def dataset_settings(wildcards):
    """What the images depend on; where they were fetched from is not among it."""
    ignored = ("mirrors", "path")
    return {k: v for k, v in DATASETS[wildcards.dataset].items() if k not in ignored}


def pretrained_file(wildcards):
    """The weights a model of another library starts from, if any."""
    return experiment(wildcards)["model"].get("pretrained") or []


def checkpoint_file(wildcards):
    """The published weights that stand in for training: a local file, else a download."""
    address = experiment(wildcards)["train"]["checkpoint"]
    local = download.local_path(address)
    return str(local) if local else f"results/downloads/checkpoints/{wildcards.experiment}.pt"


def pruning_settings(wildcards):
    """What a sweep depends on; the margin and the list of methods only matter later."""
    section = experiment(wildcards)["pruning"]
    return {k: v for k, v in section.items() if k not in ("margin", "methods")}


def sweeps(wildcards):
    """Every (seed, method) of an experiment."""
    section = experiment(wildcards)
    return [(s, m) for s in section["seeds"] for m in section["pruning"]["methods"]]


def claim_tables(wildcards):
    name = wildcards.experiment
    return {table: f"results/{name}/tables/{table}.csv" for table in tables(name)}


def tables(name):
    """The tables of an experiment; what its model does not have is left out of the plan."""
    return ["layers"] + ["pruning"] * has_pruning(name) + ["heads"] * has_heads(name)


def figure_names(name):
    return figures.names(tables(name))


def results(names):
    """Every file that the experiments and the comparisons within them end in."""
    files = []
    for name in names:
        files += [f"results/{name}/tables/{table}.csv" for table in [*tables(name), "claims"]]
        files += [
            f"results/{name}/figures/{figure}.{kind}"
            for figure in figure_names(name)
            for kind in ("png", "svg")
        ]
    for name, members in CONFIG["compare"].items():
        if set(members) <= set(names):
            files += [f"results/comparisons/{name}/{f}" for f in ("layers.csv", "claims.csv")]
            files += [f"results/comparisons/{name}/comparison.{kind}" for kind in ("png", "svg")]
    return files
