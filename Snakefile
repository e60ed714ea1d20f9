from snakemake.utils import min_version

min_version("9.0")


include: "rules/checkout.smk"


configfile: str(CONFIG_FILE)


# Made of the Containerfile, see docs/cluster.md; used with --sdm apptainer alone.
container: "nodal.sif"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/sources.smk"
include: "rules/depends.smk"
include: "rules/dataset.smk"
include: "rules/train.smk"
include: "rules/pooling.smk"
include: "rules/activations.smk"
include: "rules/readout.smk"
include: "rules/snp.smk"
include: "rules/heads.smk"
include: "rules/pruning.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/atlas.smk"
include: "rules/leftovers.smk"


onsuccess:
    remove_forgotten()


localrules:
    all,
    demo,
    text,
    download,
    layers_table,
    heads_table,
    pruning_table,
    claims,
    comparison,


rule all:
    """Everything that `run` names, and the comparisons within it."""
    default_target: True
    input:
        results(CONFIG["run"]),


rule demo:
    """Everything that `demo` names, on embedded data."""
    input:
        results(CONFIG["demo"]),


rule text:
    """Everything that `text` names: intents of short texts, which are fetched."""
    input:
        results(CONFIG["text"]),
