rule silencing:
    input:
        dataset=dataset_file,
        model=f"{SEED}/model.pt",
    output:
        f"{SEED}/heads/silencing.csv",
    log:
        "results/logs/silencing/{experiment}_seed{seed}.log",
    benchmark:
        "results/benchmarks/silencing/{experiment}_seed{seed}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=120,
    params:
        heads=lambda wildcards: model(wildcards).heads,
        blocks=lambda wildcards: model(wildcards).blocks,
        precision=setting("train", "precision"),
        device=setting("compute", "device"),
    script:
        "../workflow/scripts/silencing.py"


rule heads:
    input:
        matrices=f"{SEED}/snp/block{{block}}.h5",
        readout=f"{SEED}/readout/block{{block}}.h5",
        silencing=f"{SEED}/heads/silencing.csv",
        dataset=dataset_file,
    output:
        f"{SEED}/heads/block{{block}}.csv",
    log:
        "results/logs/heads/{experiment}_seed{seed}_block{block}.log",
    benchmark:
        "results/benchmarks/heads/{experiment}_seed{seed}_block{block}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=60,
    params:
        permutations=setting("heads", "permutations"),
        threshold=setting("snp", "threshold"),
    script:
        "../workflow/scripts/heads.py"
