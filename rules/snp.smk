rule snp:
    input:
        readout=f"{SEED}/readout/block{{block}}.h5",
    output:
        matrices=f"{SEED}/snp/block{{block}}.h5",
        nodes=f"{SEED}/snp/block{{block}}.csv",
        null=f"{SEED}/snp/block{{block}}_null.csv",
    log:
        "results/logs/snp/{experiment}_seed{seed}_block{block}.log",
    benchmark:
        "results/benchmarks/snp/{experiment}_seed{seed}_block{block}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=60,
    params:
        settings=setting("snp"),
        sites=sites,
        heads=lambda wildcards: model(wildcards).heads,
        head_sites=head_sites,
    script:
        "../workflow/scripts/snp.py"
