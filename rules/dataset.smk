rule download:
    """Fetch a published file, and verify it."""
    output:
        "results/downloads/{dataset}/{file}",
    log:
        "results/logs/download/{dataset}/{file}.log",
    benchmark:
        "results/benchmarks/download/{dataset}/{file}.tsv"
    wildcard_constraints:
        file=one_of(sorted({file for name in DATASETS for file in source(name).files})),
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        addresses=lambda wildcards, output: addresses(wildcards),
        md5=lambda wildcards: published(wildcards)[wildcards.file].md5,
        size=lambda wildcards: published(wildcards)[wildcards.file].size,
    script:
        "../workflow/scripts/download.py"


rule dataset:
    """Prepare a dataset: one HDF5 file of inputs and labels."""
    input:
        fetched_files,
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
        content=dataset_content,
        files=lambda wildcards, input: dataset_files(wildcards),
        published=lambda wildcards: source(wildcards.dataset).files,
        code=code("dataset", "datasets datasets.*"),
    script:
        "../workflow/scripts/dataset.py"
