if TRAINED:

    rule train:
        input:
            dataset=dataset_file,
            pretrained=pretrained_file,
        output:
            model=f"{SEED}/model.pt",
            history=f"{SEED}/history.csv",
        log:
            "results/logs/train/{experiment}_seed{seed}.log",
        benchmark:
            "results/benchmarks/train/{experiment}_seed{seed}.tsv"
        wildcard_constraints:
            experiment="|".join(TRAINED),
        conda:
            "../envs/nodal.yaml"
        threads: threads
        resources:
            mem_mb=memory,
            runtime=minutes,
            gpu=gpus,
        params:
            model=setting("model"),
            train=setting("train"),
            dataset=setting("dataset"),
            device=setting("compute", "device"),
            checkpoint=f"{SEED}/checkpoint.pt",
        script:
            "../workflow/scripts/train.py"


if PUBLISHED:

    rule download_checkpoint:
        output:
            "results/downloads/checkpoints/{file}.pt",
        log:
            "results/logs/download/checkpoints/{file}.log",
        benchmark:
            "results/benchmarks/download/checkpoints/{file}.tsv"
        wildcard_constraints:
            file="|".join(PUBLISHED),
        conda:
            "../envs/nodal.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=60,
        params:
            addresses=lambda wildcards: [EXPERIMENTS[wildcards.file]["train"]["checkpoint"]],
            md5=None,
            size=None,
        script:
            "../workflow/scripts/download.py"

    rule load_checkpoint:
        input:
            dataset=dataset_file,
            weights=checkpoint_file,
        output:
            model=f"{SEED}/model.pt",
            history=f"{SEED}/history.csv",
        log:
            "results/logs/load_checkpoint/{experiment}_seed{seed}.log",
        benchmark:
            "results/benchmarks/load_checkpoint/{experiment}_seed{seed}.tsv"
        wildcard_constraints:
            experiment="|".join(PUBLISHED),
        conda:
            "../envs/nodal.yaml"
        threads: threads
        resources:
            mem_mb=memory,
            runtime=60,
            gpu=gpus,
        params:
            model=setting("model"),
            train=setting("train"),
            device=setting("compute", "device"),
        script:
            "../workflow/scripts/load_checkpoint.py"
