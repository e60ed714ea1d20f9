rule layers_table:
    input:
        nodes=per_block("snp/block{block}.csv"),
        null=per_block("snp/block{block}_null.csv"),
        readouts=per_block("readout/block{block}.h5"),
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
    script:
        "../workflow/scripts/layers_table.py"


rule heads_table:
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
    script:
        "../workflow/scripts/heads_table.py"


rule pruning_table:
    input:
        lambda wildcards: [
            f"results/{wildcards.experiment}/seed{seed}/pruning/{method}.csv"
            for seed, method in sweeps(wildcards)
        ],
    output:
        "results/{experiment}/tables/pruning.csv",
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
        seeds=lambda wildcards: [seed for seed, _ in sweeps(wildcards)],
        margin=setting("pruning", "margin"),
    script:
        "../workflow/scripts/pruning_table.py"


rule claims:
    input:
        unpack(claim_tables),
    output:
        "results/{experiment}/tables/claims.csv",
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
    script:
        "../workflow/scripts/claims.py"


rule sensitivity:
    input:
        per_block("readout/block{block}.h5"),
    output:
        "results/{experiment}/tables/sensitivity.csv",
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
        places=lambda wildcards: places(wildcards.experiment),
        headline=headline,
        settings=setting("snp"),
    script:
        "../workflow/scripts/sensitivity.py"
