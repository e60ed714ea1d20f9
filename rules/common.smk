import re
import sys
from decimal import Decimal
from types import SimpleNamespace

from snakemake.common.configfile import load_configfile
from snakemake.logging import logger

from nodal.pipeline import config as nodal_config
from nodal import figures, models
from nodal.pipeline import crosscheck, lock, remarks, schemas
from nodal.pruning import METHODS


def checked():
    """The config that Snakemake put together of several files, its paths absolute, checked."""
    files = [CONFIG_FILE, *workflow.config_settings.configfiles]
    for file in files:
        schemas.require_plain(file)
    layers = [(paths.base(file), load_configfile(file)) for file in files]
    layers.append((Path.cwd(), workflow.config_settings.config))
    return nodal_config.check(paths.resolved(config, layers, schemas.load()))


try:
    CONFIG = checked()
    crosscheck.check_targets(sys.argv[1:])  # Snakemake knows its targets only after this file
except NodalError as error:
    raise WorkflowError(str(error)) from None

is_dry = workflow.output_settings.dryrun

if workflow.is_main_process and not is_dry:
    lock.enter()

EXPERIMENTS = CONFIG["experiments"]
DATASETS = CONFIG["datasets"]
MODELS = {name: models.describe(e["model"]) for name, e in EXPERIMENTS.items()}
OWN = [name for name, e in EXPERIMENTS.items() if not e["network"]]  # the others read theirs
TRAINED = [name for name in OWN if not EXPERIMENTS[name]["train"]["checkpoint"]]
PUBLISHED = [name for name in OWN if name not in TRAINED]
SEED = "results/{experiment}/seed{seed}"
SMALL = 128  # nodes of the widest tap


def one_of(names):
    """A wildcard's constraint: one of these names, none if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    experiment=one_of(EXPERIMENTS),
    dataset=one_of(DATASETS),
    comparison=one_of(CONFIG["compare"]),
    seed=r"\d+",
    block=r"\d+",
    method=one_of(["dense", *METHODS]),
    percent=r"\d+(\.\d+)?",


def experiment(wildcards):
    return EXPERIMENTS[wildcards.experiment]


def model(wildcards):
    return MODELS[wildcards.experiment]


def network(name):
    """The experiment whose networks an experiment reads: its own, or another's."""
    return EXPERIMENTS[name]["network"] or name


def instrument(name):
    """What an experiment is of and is measured with; every row of its layer table says it."""
    activations, snp = EXPERIMENTS[name]["activations"], EXPERIMENTS[name]["snp"]
    return {
        "dataset": EXPERIMENTS[name]["dataset"],
        "network": network(name),
        "pool": activations["pool"],
        "grid": None if is_sequence(name) else activations["grid"],
        "threshold": snp["threshold"],
        "split": snp["split"],
    }


def model_file(wildcards):
    return f"results/{network(wildcards.experiment)}/seed{wildcards.seed}/model.pt"


def silencing_file(wildcards):
    return f"results/{network(wildcards.experiment)}/seed{wildcards.seed}/heads/silencing.csv"


def readings(name):
    """All experiments that read the networks of this one: the forms that stand side by side."""
    return [other for other in EXPERIMENTS if network(other) == network(name)]


def is_small(name):
    """Networks whose blocks are measured in less time than a job takes to start."""
    described = MODELS[name]
    on_cpu = not EXPERIMENTS[name]["compute"]["gpus"]
    return on_cpu and described.nodes is not None and described.nodes <= SMALL


def by_job(name, pattern):
    """Files of a stage that one job reads or makes: a block's, of small networks all blocks'."""
    files, blocks = f"{SEED}/{pattern}", range(MODELS[name].blocks)
    return expand(files, block=blocks, allow_missing=True) if is_small(name) else [files]


def of_job(name):
    """What tells the log of such a job from others of its seed."""
    return "" if is_small(name) else "_block{block}"


def read_group(name):
    """The group of a stage up to the readouts on a cluster: of a small network one job, worth its
    queueing. Of others what takes long stays apart, since what a failed group made is removed."""
    return "read" if is_small(name) else None


def measured_group(name):
    """The group of what follows from readouts, never theirs: a failure there must not lose them."""
    return "measured" if is_small(name) else "block"


def job_sites(wildcards):
    """{block: its sites that are read} of such a job."""
    name = wildcards.experiment
    blocks = range(MODELS[name].blocks) if is_small(name) else [int(wildcards.block)]
    return {b: sites(SimpleNamespace(experiment=name, block=b)) for b in blocks}


def is_sequence(name):
    return EXPERIMENTS[name]["activations"]["pool"] == "sequence"


def forms(wildcards):
    """The forms in which a dump holds a site; the readout keeps the best, the last of equals."""
    return ["sequence", "mean"] if is_sequence(wildcards.experiment) else ["grid"]


def dump_settings(name):
    unused = ["keep"] + ["grid"] * is_sequence(name)
    return EXPERIMENTS[name]["activations"].without(*unused)


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
    return [site for site in model(wildcards).outputs.values() if site in read]


def shown(wildcards):
    """The sites of which examples are shown; no claim is judged on one that stands in."""
    return headline(wildcards) or sites(wildcards)[-1:]


def has_pruning(name):
    return name in OWN and MODELS[name].edges and bool(EXPERIMENTS[name]["pruning"]["methods"])


def has_heads(name):
    wanted = EXPERIMENTS[name]["activations"]["sites"]
    return MODELS[name].heads is not None and (wanted is None or "heads" in wanted)


def threads(wildcards):
    return experiment(wildcards)["compute"]["threads"]


def cores(wildcards, threads):
    """Threads that a job works with, though Snakemake gives it fewer cores: they decide how sums
    are rounded. A param that asks for `threads` is no reason to rerun."""
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


def read_places(name):
    """Every (experiment, seed, block) of all that read the networks of an experiment."""
    return [(other, *place) for other in readings(name) for place in places(other)]


def judged_readouts(wildcards):
    """Of all that read an experiment's networks; a place that claims are about must be among them."""
    name = wildcards.experiment
    if not any(headline(SimpleNamespace(experiment=other)) for other in readings(name)):
        sites = ", ".join(model(wildcards).outputs.values())
        raise WorkflowError(
            f"config: experiments.{name}.activations.sites: none of {sites} is read; expected "
            "one of them, whose numbers sensitivity.csv is about"
        )
    files = "results/{}/seed{}/readout/block{}.h5"
    return [files.format(*place) for place in read_places(name)]


def per_block(pattern):
    """An input function: a file for every seed and block."""

    def files(wildcards):
        name = wildcards.experiment
        return [
            f"results/{name}/seed{seed}/{pattern.format(block=block)}"
            for seed, block in places(name)
        ]

    return files


def atlas_seeds(name):
    """The seeds whose networks an atlas is to hold, the one it opens with first."""
    return EXPERIMENTS[name]["atlas"]["seeds"] or EXPERIMENTS[name]["seeds"]


def atlas_sites(wildcards):
    """The sites an atlas holds, of those that are read."""
    wanted = experiment(wildcards)["atlas"]["sites"]
    return [site for site in sites(wildcards) if site in wanted] or shown(wildcards)


def of_atlas_seeds(pattern, owner=False):
    """An input function: a file for every seed of the atlas, and every block where it names one.

    owner: of the experiment whose network it is.
    """

    def files(wildcards):
        name = wildcards.experiment
        folder = f"results/{network(name) if owner else name}/seed{{seed}}/"
        blocks = range(MODELS[name].blocks) if "{block}" in pattern else [None]
        return [
            (folder + pattern).format(seed=seed, block=block)
            for seed in atlas_seeds(name)
            for block in blocks
        ]

    return files


def pruned_from(wildcards):
    """What a pruned network is made from."""
    blocks = range(model(wildcards).blocks)
    return {
        "dataset": dataset_file(wildcards),
        "model": f"{SEED}/model.pt",
        "readouts": [f"{SEED}/readout/block{block}.h5" for block in blocks],
    }


def pruning_settings(*ignored):
    """A rule's param: the pruning section without the keys on which it does not depend."""
    return lambda wildcards: experiment(wildcards)["pruning"].without(*ignored)


def swept(name):
    """The methods of an experiment's sweep, and the dense network that is tuned alike."""
    return ["dense", *EXPERIMENTS[name]["pruning"]["methods"]]


def sweeps(wildcards):
    """Every (seed, method) of an experiment."""
    seeds = experiment(wildcards)["seeds"]
    return [(seed, method) for seed in seeds for method in swept(wildcards.experiment)]


def pruned_by(wildcards):
    """What the rows of a pruning table say of how it was made."""
    pruning = experiment(wildcards)["pruning"]
    return {key: pruning[key] for key in ("margin", "split", "epochs", "learning_rate")}


def target(wildcards):
    """The percent of a pruned network's name, as a dilution."""
    return float(Decimal(wildcards.percent) / 100)


def claim_tables(wildcards):
    name = wildcards.experiment
    return {table: f"results/{name}/tables/{table}.csv" for table in tables(name)}


def tables(name):
    """The tables of an experiment; what its model does not have is left out of the plan."""
    return ["layers"] + ["pruning"] * has_pruning(name) + ["heads"] * has_heads(name)


def figure_names(name):
    return figures.names(tables(name), EXPERIMENTS[name]["pruning"]["scopes"])


def kept(name):
    """An experiment's activations, if it keeps them."""
    files = f"results/{name}/seed{{seed}}/activations/block{{block}}.h5"
    keep = EXPERIMENTS[name]["activations"]["keep"]
    return [files.format(seed=s, block=b) for s, b in places(name)] if keep else []


def results(names):
    """Every file that the experiments and the comparisons within them end in."""
    files = []
    for name in names:
        files += kept(name)
        files += [f"results/{name}/tables/{table}.csv" for table in [*tables(name), "claims"]]
        files += [
            f"results/{name}/figures/{figure}.{kind}"
            for figure in figure_names(name)
            for kind in ("png", "svg")
        ]
        files.append(f"results/{name}/atlas.html")
    for name, members in CONFIG["compare"].items():
        if set(members) <= set(names) and not crosscheck.unlike(EXPERIMENTS, members):
            files += [f"results/comparisons/{name}/{f}" for f in ("layers.csv", "claims.csv")]
            files += [f"results/comparisons/{name}/comparison.{kind}" for kind in ("png", "svg")]
    return files
