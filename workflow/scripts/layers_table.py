"""One row per seed, block and site. In: SNP, null, readouts, dataset. Out: tables/layers.csv."""

import pandas as pd
from nodal import datasets
from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts import tables

with job(snakemake) as log:
    params = snakemake.params
    rows = []
    for (seed, block), nodes, null, readout in zip(
        params.places, snakemake.input.nodes, snakemake.input.null, snakemake.input.readouts,
        strict=True,
    ):  # fmt: skip
        with storage.read_hdf5(readout) as file:
            attributes = {site: dict(file[site].attrs) for site in params.sites if site in file}
        taps = tables.layer_rows(
            storage.read_csv(nodes), storage.read_csv(null), attributes, params.parts
        )
        rows += [{"seed": seed, "block": block, **tap} for tap in taps]
    table = pd.DataFrame(rows)
    table.insert(5, "headline", table.site.isin(params.headline))
    with datasets.opened(snakemake.input.dataset) as dataset:
        table["trained_on"], table["tested_on"] = str(dataset.train), str(dataset.test)
    table = table.assign(**params.instrument)
    storage.write_csv(snakemake.output[0], table)
    log(f"{len(table)} taps")
