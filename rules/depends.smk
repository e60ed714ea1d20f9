# What results depend on beside files: code, and the content of what is the user's own.
from nodal.pipeline import code as fingerprints
from nodal.pipeline import content


def code(script, modules=""):
    """A rule's param: a fingerprint of its script and of modules, see nodal.pipeline.code.

    modules: names below nodal; `models.*` is the family of the experiment's model, `datasets.*` the
    dataset's source.
    """

    def value(wildcards):
        names = modules
        if "models.*" in names:
            names = names.replace("models.*", f"models.{model(wildcards).family}")
        if "datasets.*" in names:
            kind = DATASETS[wildcards.dataset]["source"]
            names = names.replace("datasets.*", f"datasets.{kind}")
        return fingerprints.fingerprint(script, *names.split())

    return value


training_code = code("train", "training training.pixels training.words models models.*")


def digest(key, path):
    """Of the content of a user's own file or folder, which that key of the config names.

    Exits, since an error that is raised within a plan is answered with a traceback of these rules.
    """
    try:
        return content.digest(path, remember=workflow.is_main_process and not is_dry)
    except NodalError as error:
        raise SystemExit(f"error: config: {key}: {error}") from None


def dataset_content(wildcards):
    """{name: digest} of the files that a dataset is made from."""
    settings, files = DATASETS[wildcards.dataset], source(wildcards.dataset).files
    own = {
        name: digest(f"datasets.{wildcards.dataset}.{datasets.OWN[name]}", path)
        for name, path in datasets.own_files(settings).items()
    }
    return {name: file.md5 for name, file in files.items()} | own


def dataset_identity(wildcards):
    """What an experiment's training takes its dataset to be: settings and content, not a file."""
    wanted = SimpleNamespace(dataset=experiment(wildcards)["dataset"])
    return {"settings": dataset_settings(wanted), "content": dataset_content(wanted)}


def dataset_digest(wildcards):
    """That in few letters, as a model.pt carries it."""
    return fingerprints.of_text(repr(dataset_identity(wildcards)))


def trained_on(wildcards):
    """An experiment's dataset as input of its training: no reason to train again, though its file be
    newer, where the network there is was trained on the same."""
    path = dataset_file(wildcards)
    model = f"results/{wildcards.experiment}/seed{wildcards.seed}/model.pt"
    same = fingerprints.recorded(model, "data") == dataset_digest(wildcards)
    return ancient(path) if same else path


def pretrained_content(wildcards):
    """A digest of the weights that a model of another library starts from, if any."""
    path = experiment(wildcards)["model"].get("pretrained")
    return path and digest(f"experiments.{wildcards.experiment}.model.pretrained", path)


def checkpoint_content(wildcards):
    """A digest of the user's own weights; those of an address are the address."""
    path = checkpoint_file(wildcards)
    if path.startswith("results/"):
        return None
    return digest(f"experiments.{wildcards.experiment}.train.checkpoint", path)


def changed():
    """What a plan does not show by itself: networks of other code, and what is made again."""
    for name in TRAINED:
        now = training_code(SimpleNamespace(experiment=name))
        models = [f"results/{name}/seed{seed}/model.pt" for seed in EXPERIMENTS[name]["seeds"]]
        found = [fingerprints.recorded(path, "code") for path in models]
        if any(code not in (None, now) for code in found):
            yield (
                f"{name}: trained by code that has changed since; the networks stay, "
                "--forcerun train makes them anew"
            )
    for name in EXPERIMENTS:
        missing = [path for path in kept(name) if not Path(path).exists()]
        made = [path for path in missing if Path(path).parents[1].joinpath("readout").exists()]
        if made:
            yield (
                f"{name}: activations.keep brings {len(made)} files that were not kept; "
                "all that is read from them is made again"
            )


if workflow.is_main_process:
    for line in [*remarks.of(CONFIG), *changed()]:
        logger.warning(line)
