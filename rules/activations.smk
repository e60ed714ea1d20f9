# One rule per experiment: how many files a dump makes is the model's number of blocks.
for name in EXPERIMENTS:
    dumped = expand(
        "results/{name}/seed{{seed}}/activations/block{block}.h5",
        name=name,
        block=range(MODELS[name].blocks),
    )

    rule:
        name:
            f"activations_{name}"
        input:
            dataset=f"results/data/{EXPERIMENTS[name]['dataset']}.h5",
            model=f"results/{name}/seed{{seed}}/model.pt",
        output:
            dumped if EXPERIMENTS[name]["activations"]["keep"] else temp(dumped),
        log:
            f"results/logs/activations/{name}_seed{{seed}}.log",
        benchmark:
            f"results/benchmarks/activations/{name}_seed{{seed}}.tsv"
        conda:
            "../envs/nodal.yaml"
        threads: EXPERIMENTS[name]["compute"]["threads"]
        resources:
            mem_mb=EXPERIMENTS[name]["compute"]["memory_mb"],
            runtime=120,
            gpu=EXPERIMENTS[name]["compute"]["gpus"],
        params:
            experiment=name,
            settings={k: v for k, v in EXPERIMENTS[name]["activations"].items() if k != "keep"},
            precision=EXPERIMENTS[name]["train"]["precision"],
            device=EXPERIMENTS[name]["compute"]["device"],
        script:
            "../workflow/scripts/activations.py"
