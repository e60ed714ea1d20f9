rule pruning:
    input:
        dataset=dataset_file,
        model=f"{SEED}/model.pt",
        readouts=lambda wildcards: expand(
            f"{SEED}/readout/block{{block}}.h5",
            block=range(model(wildcards).blocks),
            allow_missing=True,
        ),
    output:
        f"{SEED}/pruning/{{method}}.csv",
    log:
        "results/logs/pruning/{experiment}_seed{seed}_{method}.log",
    benchmark:
        "results/benchmarks/pruning/{experiment}_seed{seed}_{method}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        settings=pruning_settings,
        sites=sites,
        train=setting("train"),
        device=setting("compute", "device"),
    script:
        "../workflow/scripts/pruning.py"
