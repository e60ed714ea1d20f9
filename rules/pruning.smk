# One rule per experiment: without GPUs networks are small, and one job prunes by all methods.
for name in filter(has_pruning, EXPERIMENTS):
    tables_of_methods = f"{SEED}/pruning/{{method}}.csv"
    each = "_{method}" if EXPERIMENTS[name]["compute"]["gpus"] else ""

    rule:
        """Prune at every dilution, and tune what is left."""
        name:
            f"pruning_{name}"
        input:
            unpack(pruned_from),
        output:
            (
                tables_of_methods
                if each
                else expand(tables_of_methods, method=swept(name), allow_missing=True)
            ),
        log:
            f"results/logs/pruning/{{experiment}}_seed{{seed}}{each}.log",
        benchmark:
            f"results/benchmarks/pruning/{{experiment}}_seed{{seed}}{each}.tsv"
        wildcard_constraints:
            experiment=name,
        conda:
            "../envs/nodal.yaml"
        threads: threads
        resources:
            mem_mb=memory,
            runtime=minutes,
            gpu=gpus,
        params:
            cores=cores,
            settings=pruning_settings("margin", "methods"),
            sites=sites,
            train=setting("train"),
            device=setting("compute", "device"),
            code=code(
                "pruning",
                "sweep pruning snp readout taps models models.* training training.pixels training.words",
            ),
        script:
            "../workflow/scripts/pruning.py"


rule pruned:
    """One pruned and tuned network, to take away."""
    input:
        unpack(pruned_from),
    output:
        f"{SEED}/pruned/{{method}}_{{percent}}.pt",
    log:
        "results/logs/pruned/{experiment}_seed{seed}_{method}_{percent}.log",
    benchmark:
        "results/benchmarks/pruned/{experiment}_seed{seed}_{method}_{percent}.tsv"
    wildcard_constraints:
        experiment=one_of(OWN),
        method=one_of(METHODS),
    conda:
        "../envs/nodal.yaml"
    threads: threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=gpus,
    params:
        cores=cores,
        target=target,
        settings=pruning_settings(
            "margin", "methods", "dilutions", "thresholds", "scopes", "tuned_scopes"
        ),
        sites=sites,
        train=setting("train"),
        device=setting("compute", "device"),
        code=code(
            "pruned",
            "sweep pruning snp readout taps models models.* training training.pixels training.words",
        ),
    script:
        "../workflow/scripts/pruned.py"
