rule pooling:
    """Learn the query of every tap, the network frozen."""
    input:
        dataset=dataset_file,
        model=model_file,
    output:
        f"{SEED}/pooling.h5",
    log:
        "results/logs/pooling/{experiment}_seed{seed}.log",
    benchmark:
        "results/benchmarks/pooling/{experiment}_seed{seed}.tsv"
    group:
        lambda wildcards: read_group(wildcards.experiment)
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=gpus,
    params:
        cores=cores,
        settings=setting("pooling"),
        sites=sites,
        holdout=setting("readout", "holdout"),
        precision=setting("train", "precision"),
        device=setting("compute", "device"),
        code=code(
            "pooling",
            "pooling taps models models.* training.task training.optimizers training.recipe datasets.splits "
            "training.pixels:Pixels training.words:Words",
        ),
    script:
        "../workflow/scripts/pooling.py"
