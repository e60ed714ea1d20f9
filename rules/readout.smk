rule readout:
    input:
        activations=f"{SEED}/activations/block{{block}}.h5",
    output:
        f"{SEED}/readout/block{{block}}.h5",
    log:
        "results/logs/readout/{experiment}_seed{seed}_block{block}.log",
    benchmark:
        "results/benchmarks/readout/{experiment}_seed{seed}_block{block}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=240,
    params:
        settings=setting("readout"),
        sites=sites,
        heads=lambda wildcards: model(wildcards).heads,
        head_sites=head_sites,
        device=setting("compute", "device"),
    script:
        "../workflow/scripts/readout.py"
