rule atlas:
    """One page of an experiment to look through in a browser, with everything inside."""
    input:
        unpack(claim_tables),
        claims="results/{experiment}/tables/claims.csv",
        dataset=dataset_file,
        models=of_atlas_seeds("model.pt", owner=True),
        logits=of_atlas_seeds("logits.h5", owner=True),
        pooling=lambda wildcards: (
            of_atlas_seeds("pooling.h5")(wildcards) if is_sequence(wildcards.experiment) else []
        ),
        readouts=of_atlas_seeds("readout/block{block}.h5"),
        matrices=of_atlas_seeds("snp/block{block}.h5"),
        nodes=of_atlas_seeds("snp/block{block}.csv"),
        extremes=of_atlas_seeds("extremes/block{block}.h5"),
        head_blocks=lambda wildcards: (
            of_atlas_seeds("heads/block{block}.csv")(wildcards)
            if has_heads(wildcards.experiment)
            else []
        ),
    output:
        report(
            "results/{experiment}/atlas.html",
            category="Atlas",
            labels={"experiment": "{experiment}"},
            caption="../report/atlas.rst",
        ),
    log:
        "results/logs/atlas/{experiment}.log",
    benchmark:
        "results/benchmarks/atlas/{experiment}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=60,
        gpu=gpus,
    params:
        code=code(
            "atlas",
            "atlas.document atlas.page verdicts.dilution verdicts.report snp heads pruning pooling taps "
            "models models.* training training.pixels:Pixels training.words:Words datasets",
        ),
        page=lambda wildcards: content.digest(fingerprints.LIBRARY / "atlas" / "page"),
        sites=atlas_sites,
        seeds=lambda wildcards: atlas_seeds(wildcards.experiment),
        all_seeds=setting("seeds"),
        size=setting("atlas", "size_mb"),
        heads=lambda wildcards: model(wildcards).heads,
        dataset=setting("dataset"),
        model=setting("model"),
        activations=setting("activations"),
        snp=setting("snp"),
        precision=setting("train", "precision"),
        device=setting("compute", "device"),
    script:
        "../workflow/scripts/atlas.py"
