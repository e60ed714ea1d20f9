for name in EXPERIMENTS:

    rule:
        """Draw every figure of an experiment."""
        name:
            f"figures_{name}"
        input:
            unpack(
                lambda wildcards, name=name: {
                    table: f"results/{name}/tables/{table}.csv" for table in tables(name)
                }
            ),
            histories=expand(
                "results/{name}/seed{seed}/history.csv",
                name=network(name),
                seed=EXPERIMENTS[name]["seeds"],
            ),
            matrices=f"results/{name}/seed{EXPERIMENTS[name]['seeds'][0]}/snp/block{MODELS[name].blocks - 1}.h5",
            dataset=f"results/data/{EXPERIMENTS[name]['dataset']}.h5",
        output:
            [
                report(
                    f"results/{name}/figures/{figure}.png",
                    category="Figures",
                    subcategory=name,
                    labels={"figure": figure},
                    caption="../report/figures.rst",
                )
                for figure in figure_names(name)
            ],
            expand("results/{name}/figures/{figure}.svg", name=name, figure=figure_names(name)),
        log:
            f"results/logs/figures/{name}.log",
        benchmark:
            f"results/benchmarks/figures/{name}.tsv"
        localrule: True
        conda:
            "../envs/nodal.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            names=figure_names(name),
            dataset=EXPERIMENTS[name]["dataset"],
            seeds=EXPERIMENTS[name]["seeds"],
            tap=f"block{MODELS[name].blocks - 1}.{shown(SimpleNamespace(experiment=name))[-1]}",
            threshold=EXPERIMENTS[name]["snp"]["threshold"],
            code=code(
                "figures",
                "figures figures.fields figures.heads figures.layers figures.pruning figures.training verdicts.tables "
                "verdicts.dilution snp",
            )(SimpleNamespace(experiment=name)),
        script:
            "../workflow/scripts/figures.py"


rule comparison:
    """Put experiments side by side."""
    input:
        lambda wildcards: [
            f"results/{name}/tables/layers.csv" for name in CONFIG["compare"][wildcards.comparison]
        ],
    output:
        table="results/comparisons/{comparison}/layers.csv",
        claims="results/comparisons/{comparison}/claims.csv",
        figure=expand("results/comparisons/{{comparison}}/comparison.{kind}", kind=["png", "svg"]),
    log:
        "results/logs/comparison/{comparison}.log",
    benchmark:
        "results/benchmarks/comparison/{comparison}.tsv"
    conda:
        "../envs/nodal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        experiments=lambda wildcards: CONFIG["compare"][wildcards.comparison],
        code=code("comparison", "verdicts.comparison verdicts.claims figures figures.layers"),
    script:
        "../workflow/scripts/comparison.py"
