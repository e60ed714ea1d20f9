if TRAINED:

    rule train:
        """Train one seed, from where an interrupted run stopped."""
        input:
            dataset=trained_on,
        output:
            model=f"{SEED}/model.pt",
            history=f"{SEED}/history.csv",
        log:
            "results/logs/train/{experiment}_seed{seed}.log",
        benchmark:
            "results/benchmarks/train/{experiment}_seed{seed}.tsv"
        wildcard_constraints:
            experiment=one_of(TRAINED),
        conda:
            "../envs/nodal.yaml"
        threads: threads
        resources:
            mem_mb=memory,
            runtime=minutes,
            gpu=gpus,
        params:
            cores=cores,
            model=setting("model"),
            train=setting("train"),
            pretrained=pretrained_content,
            dataset=dataset_identity,
            device=setting("compute", "device"),
            checkpoint=f"{SEED}/checkpoint.pt",
            # Recorded in model.pt; no reason to train again, see docs/extending.md.
            code=lambda wildcards, threads: training_code(wildcards),
            data=lambda wildcards, threads: dataset_digest(wildcards),
        script:
            "../workflow/scripts/train.py"


if PUBLISHED:

    rule download_checkpoint:
        """Fetch published weights."""
        output:
            "results/downloads/checkpoints/{file}.pt",
        log:
            "results/logs/download/checkpoints/{file}.log",
        benchmark:
            "results/benchmarks/download/checkpoints/{file}.tsv"
        wildcard_constraints:
            file=one_of(PUBLISHED),
        localrule: True
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
        """Take published weights in place of training."""
        input:
            dataset=dataset_file,
            weights=checkpoint_fetched,
        output:
            model=f"{SEED}/model.pt",
            history=f"{SEED}/history.csv",
        log:
            "results/logs/load_checkpoint/{experiment}_seed{seed}.log",
        benchmark:
            "results/benchmarks/load_checkpoint/{experiment}_seed{seed}.tsv"
        wildcard_constraints:
            experiment=one_of(PUBLISHED),
        conda:
            "../envs/nodal.yaml"
        threads: threads
        resources:
            mem_mb=memory,
            runtime=60,
            gpu=gpus,
        params:
            cores=cores,
            model=setting("model"),
            train=setting("train"),
            weights=lambda wildcards, input: checkpoint_file(wildcards),
            content=checkpoint_content,
            device=setting("compute", "device"),
            code=code(
                "load_checkpoint",
                "models models.* models.published training.saved training.pixels:Pixels training.words:Words",
            ),
        script:
            "../workflow/scripts/load_checkpoint.py"
