rule silencing:
    """Silence each head of each block, and see what the network no longer knows."""
    input:
        dataset=dataset_file,
        model=f"{SEED}/model.pt",
    output:
        f"{SEED}/heads/silencing.csv",
    log:
        "results/logs/silencing/{experiment}_seed{seed}.log",
    benchmark:
        "results/benchmarks/silencing/{experiment}_seed{seed}.tsv"
    wildcard_constraints:
        experiment=one_of(name for name in OWN if MODELS[name].heads),
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=120,
        gpu=gpus,
    params:
        cores=cores,
        heads=lambda wildcards: model(wildcards).heads,
        blocks=lambda wildcards: model(wildcards).blocks,
        precision=setting("train", "precision"),
        device=setting("compute", "device"),
        code=code(
            "silencing",
            "sweep readout taps models models.* training.task training.pixels:Pixels training.words:Words",
        ),
    script:
        "../workflow/scripts/silencing.py"


for name in filter(has_heads, EXPERIMENTS):

    rule:
        """What each head of a block knows: counts, shares, experts, drops."""
        name:
            f"heads_{name}"
        input:
            matrices=by_job(name, "snp/block{block}.h5"),
            readouts=by_job(name, "readout/block{block}.h5"),
            silencing=silencing_file,
            dataset=dataset_file,
        output:
            by_job(name, "heads/block{block}.csv"),
        log:
            f"results/logs/heads/{{experiment}}_seed{{seed}}{of_job(name)}.log",
        benchmark:
            f"results/benchmarks/heads/{{experiment}}_seed{{seed}}{of_job(name)}.tsv"
        wildcard_constraints:
            experiment=name,
        group:
            measured_group(name)
        conda:
            "../envs/nodal.yaml"
        threads: 1
        resources:
            mem_mb=memory,
            runtime=60,
        params:
            blocks=lambda wildcards: list(job_sites(wildcards)),
            permutations=setting("heads", "permutations"),
            threshold=setting("snp", "threshold"),
            split=setting("snp", "split"),
            code=code("heads", "heads snp"),
        script:
            "../workflow/scripts/heads.py"
