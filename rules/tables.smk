rule layers_table:
    """A row per seed, block and site."""
    input:
        nodes=per_block("snp/block{block}.csv"),
        null=per_block("snp/block{block}_null.csv"),
        readouts=per_block("readout/block{block}.h5"),
        dataset=dataset_file,
    output:
        "results/{experiment}/tables/layers.csv",
    log:
        "results/logs/layers_table/{experiment}.log",
    benchmark:
        "results/benchmarks/layers_table/{experiment}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        places=lambda wildcards: places(wildcards.experiment),
        sites=sites,
        parts=lambda wildcards: model(wildcards).parts,
        headline=headline,
        instrument=lambda wildcards: instrument(wildcards.experiment),
        code=code("layers_table", "verdicts.tables snp"),
    script:
        "../workflow/scripts/layers_table.py"


rule heads_table:
    """The heads of all seeds and blocks."""
    input:
        per_block("heads/block{block}.csv"),
    output:
        "results/{experiment}/tables/heads.csv",
    log:
        "results/logs/heads_table/{experiment}.log",
    benchmark:
        "results/benchmarks/heads_table/{experiment}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        places=lambda wildcards: places(wildcards.experiment),
        code=code("heads_table", "verdicts.tables"),
    script:
        "../workflow/scripts/heads_table.py"


rule pruning_table:
    """The sweeps of all seeds and methods."""
    input:
        lambda wildcards: [
            f"results/{wildcards.experiment}/seed{seed}/pruning/{method}.csv"
            for seed, method in sweeps(wildcards)
        ],
    output:
        table="results/{experiment}/tables/pruning.csv",
        free="results/{experiment}/tables/free.csv",
    log:
        "results/logs/pruning_table/{experiment}.log",
    benchmark:
        "results/benchmarks/pruning_table/{experiment}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        sweeps=sweeps,
        settings=pruned_by,
        code=code("pruning_table", "verdicts.dilution"),
    script:
        "../workflow/scripts/pruning_table.py"


rule claims:
    """Judge the paper's claims by the rules of docs/claims.md."""
    input:
        unpack(claim_tables),
    output:
        report(
            "results/{experiment}/tables/claims.csv",
            category="Claims",
            labels={"experiment": "{experiment}"},
            caption="../report/claims.rst",
        ),
    log:
        "results/logs/claims/{experiment}.log",
    benchmark:
        "results/benchmarks/claims/{experiment}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code("claims", "verdicts.claims"),
    script:
        "../workflow/scripts/claims.py"


rule sensitivity:
    """What changes with theta, with the order of the labels and with the form of the readout."""
    input:
        readouts=judged_readouts,
        dataset=dataset_file,
    output:
        table="results/{experiment}/tables/sensitivity.csv",
        figure=expand("results/{{experiment}}/figures/sensitivity.{kind}", kind=["png", "svg"]),
    log:
        "results/logs/sensitivity/{experiment}.log",
    benchmark:
        "results/benchmarks/sensitivity/{experiment}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=60,
    params:
        places=lambda wildcards: read_places(wildcards.experiment),
        parts=lambda wildcards: model(wildcards).outputs,
        settings=setting("snp"),
        code=code(
            "sensitivity", "verdicts.sensitivity verdicts.tables snp figures figures.sensitivity"
        ),
    script:
        "../workflow/scripts/sensitivity.py"
