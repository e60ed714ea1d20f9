"""Draw every figure of an experiment. In: its tables and one block's SNP. Out: PNG and SVG."""

from pathlib import Path

from nodal import datasets, figures, snp
from nodal.figures.fields import example_node
from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts.tables import sources

with job(snakemake) as log:
    files, params = dict(snakemake.input.items()), snakemake.params
    tables = {
        name: storage.read_csv(files[name])
        for name in ("layers", "pruning", "heads")
        if name in files
    }
    tables["histories"] = {
        seed: storage.read_csv(path)
        for path, seed in zip(snakemake.input.histories, params.seeds, strict=True)
    }
    with storage.read_hdf5(files["matrices"]) as file:
        site = file[params.tap.partition(".")[2]]
        tables["node"] = example_node(
            snp.read(site).matrices(), site["clusters"][:], params.threshold
        )
    with datasets.opened(files["dataset"]) as dataset:
        tables["node"]["label_names"] = dataset.label_names
    tables["node"]["title"] = f"{params.tap}, node {tables['node']['node']}"
    note = f"{params.dataset}: {sources(tables['layers'])}"
    figures.draw(params.names, tables, Path(snakemake.output[0]).parent, note)
    log(f"drew {', '.join(params.names)}")
