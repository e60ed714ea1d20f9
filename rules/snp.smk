for name in EXPERIMENTS:

    rule:
        """SNP matrices and clusters of a block's nodes, with their null."""
        name:
            f"snp_{name}"
        input:
            by_job(name, "readout/block{block}.h5"),
        output:
            matrices=by_job(name, "snp/block{block}.h5"),
            nodes=by_job(name, "snp/block{block}.csv"),
            null=by_job(name, "snp/block{block}_null.csv"),
        log:
            f"results/logs/snp/{{experiment}}_seed{{seed}}{of_job(name)}.log",
        benchmark:
            f"results/benchmarks/snp/{{experiment}}_seed{{seed}}{of_job(name)}.tsv"
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
            settings=setting("snp"),
            sites=job_sites,
            heads=lambda wildcards: model(wildcards).heads,
            head_sites=head_sites,
            code=code("snp", "snp"),
        script:
            "../workflow/scripts/snp.py"
