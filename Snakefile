from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/dataset.smk"
include: "rules/train.smk"
include: "rules/activations.smk"
include: "rules/readout.smk"
include: "rules/snp.smk"
include: "rules/heads.smk"
include: "rules/pruning.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"


localrules:
    all,
    demo,
    download,
    layers_table,
    heads_table,
    pruning_table,
    claims,
    comparison,


onstart:
    lock.sign()


rule all:
    default_target: True
    input:
        results(CONFIG["run"]),


rule demo:
    input:
        results(CONFIG["demo"]),
