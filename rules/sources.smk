# Where inputs and weights come from: the user's own files, or those that are fetched.
from nodal import datasets
from nodal.files import download
from nodal.pipeline import canonical, schemas


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
    if settings["path"]:
        published = {name: str(download.locate(settings["path"], name)) for name in files}
    else:
        published = {name: f"results/downloads/{wildcards.dataset}/{name}" for name in files}
    return published | datasets.own_files(settings)


def fetched_files(wildcards):
    """Those of them that are fetched. The user's own are no input, since where they lie, and when
    they were copied there, is nothing that a result depends on; their content is a param."""
    return [p for p in dataset_files(wildcards).values() if p.startswith("results/")]


def dataset_settings(wildcards):
    """What the inputs depend on; where they were fetched from is not among it."""
    return canonical.dataset(DATASETS[wildcards.dataset], schemas.load()["$defs"]["dataset"])


def checkpoint_file(wildcards):
    """The published weights that stand in for training: a local file, else a download."""
    address = experiment(wildcards)["train"]["checkpoint"]
    local = download.local_path(address)
    return str(local) if local else f"results/downloads/checkpoints/{wildcards.experiment}.pt"


def checkpoint_fetched(wildcards):
    """That file if a rule makes it; see fetched_files."""
    path = checkpoint_file(wildcards)
    return path if path.startswith("results/") else []
