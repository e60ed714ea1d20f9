# One rule per experiment, here and in the stages that follow: a job does a block, or all of a small network.
for name in EXPERIMENTS:

    rule:
        """Train the readouts of a block's sites on what was dumped."""
        name:
            f"readout_{name}"
        input:
            by_job(name, "activations/block{block}.h5"),
        output:
            by_job(name, "readout/block{block}.h5"),
        log:
            f"results/logs/readout/{{experiment}}_seed{{seed}}{of_job(name)}.log",
        benchmark:
            f"results/benchmarks/readout/{{experiment}}_seed{{seed}}{of_job(name)}.tsv"
        wildcard_constraints:
            experiment=name,
        group:
            read_group(name)
        conda:
            "../envs/nodal.yaml"
        threads: threads
        resources:
            mem_mb=memory,
            runtime=240,
            gpu=gpus,
        params:
            cores=cores,
            settings=setting("readout"),
            sites=job_sites,
            forms=forms,
            heads=lambda wildcards: model(wildcards).heads,
            head_sites=head_sites,
            device=setting("compute", "device"),
            code=code("readout", "readout activations training.optimizers datasets.splits"),
        script:
            "../workflow/scripts/readout.py"
