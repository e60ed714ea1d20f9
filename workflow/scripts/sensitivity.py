"""Vary theta and the order of labels in every reading. In: readouts. Out: a table, a figure."""

from pathlib import Path

import pandas as pd
from nodal import datasets, figures, snp
from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts import sensitivity
from nodal.verdicts.tables import source

ORDERS = 10


def rows_of(group, settings, seed):
    """Of one tap: a row for each theta, with order -1, then one for each order."""
    means = group[f"class_means/{settings['split']}"][:]
    matrices = snp.field(means, group["weights"][:]).matrices()
    for row in sensitivity.by_theta(matrices):
        yield {"pooled": group.attrs["pooled"], "order": -1, **row}
    for row in sensitivity.by_order(matrices, settings["threshold"], ORDERS, seed):
        yield {"pooled": group.attrs["pooled"], **row}


with job(snakemake) as log:
    params, rows = snakemake.params, []
    for (name, seed, block), path in zip(params.places, snakemake.input.readouts, strict=True):
        with storage.read_hdf5(path) as file:
            for part, site in params.parts.items():
                if site in file:
                    tap = {"experiment": name, "seed": seed, "block": block, "site": site}
                    found = rows_of(file[site], params.settings, seed)
                    rows += [{**tap, "part": part, **row} for row in found]
    table = pd.DataFrame(rows)
    storage.write_csv(snakemake.output.table, table)
    with datasets.opened(snakemake.input.dataset) as dataset:
        said = source(dataset.train, dataset.test)
    folder = Path(snakemake.output.figure[0]).parent
    figures.draw_sensitivity(table, params.settings["threshold"], folder, said)
    log(f"{len(table)} rows")
