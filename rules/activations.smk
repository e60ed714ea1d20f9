# One rule per experiment: how many files a dump makes is the model's number of blocks.
for name in EXPERIMENTS:
    dumped, ends = (
        expand(
            "results/{name}/seed{{seed}}/{kind}/block{block}.h5",
            name=name,
            kind=kind,
            block=range(MODELS[name].blocks),
        )
        for kind in ("activations", "extremes")
    )

    rule:
        """Dump what every tap of a network says of every input, in one pass."""
        name:
            f"activations_{name}"
        input:
            dataset=f"results/data/{EXPERIMENTS[name]['dataset']}.h5",
            model=f"results/{network(name)}/seed{{seed}}/model.pt",
            queries=f"results/{name}/seed{{seed}}/pooling.h5" if is_sequence(name) else [],
        output:
            activations=dumped if EXPERIMENTS[name]["activations"]["keep"] else temp(dumped),
            extremes=ends,
            logits=f"results/{name}/seed{{seed}}/logits.h5" if network(name) == name else [],
        log:
            f"results/logs/activations/{name}_seed{{seed}}.log",
        benchmark:
            f"results/benchmarks/activations/{name}_seed{{seed}}.tsv"
        group:
            read_group(name)
        conda:
            "../envs/nodal.yaml"
        threads: EXPERIMENTS[name]["compute"]["threads"]
        resources:
            mem_mb=EXPERIMENTS[name]["compute"]["memory_mb"],
            runtime=120,
            gpu=EXPERIMENTS[name]["compute"]["gpus"],
        params:
            cores=lambda wildcards, threads, name=name: cores(
                SimpleNamespace(experiment=name), threads
            ),
            experiment=name,
            settings=dump_settings(name),
            precision=EXPERIMENTS[name]["train"]["precision"],
            device=EXPERIMENTS[name]["compute"]["device"],
            code=code(
                "activations",
                "activations taps pooling snp:class_sums snp:means_from_sums models models.* training.task "
                "training.pixels:Pixels training.words:Words",
            )(SimpleNamespace(experiment=name)),
        script:
            "../workflow/scripts/activations.py"
