rule download:
    output:
        "results/downloads/{dataset}/{file}",
    log:
        "results/logs/download/{dataset}/{file}.log",
    benchmark:
        "results/benchmarks/download/{dataset}/{file}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        addresses=addresses,
        md5=lambda wildcards: published(wildcards)[wildcards.file].md5,
        size=lambda wildcards: published(wildcards)[wildcards.file].size,
    script:
        "../workflow/scripts/download.py"


rule dataset:
    input:
        lambda wildcards: dataset_files(wildcards).values(),
    output:
        "results/data/{dataset}.h5",
    log:
        "results/logs/dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/dataset/{dataset}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=dataset_settings,
        files=dataset_files,
        published=lambda wildcards: source(wildcards.dataset).files,
    script:
        "../workflow/scripts/dataset.py"
