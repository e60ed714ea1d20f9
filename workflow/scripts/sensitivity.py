"""Vary theta and the order of labels. In: readouts. Out: tables/sensitivity.csv."""

import pandas as pd
from nodal import sensitivity, snp, storage
from nodal.jobs import job

ORDERS = 10

with job(snakemake) as log:
    params, rows = snakemake.params, []
    for (seed, block), path in zip(params.places, snakemake.input, strict=True):
        with storage.read_hdf5(path) as file:
            for site in params.headline:
                group = file[site]
                means = group[f"class_means/{params.settings['split']}"][:]
                matrices = snp.snp_matrices(means, group["weights"][:])
                threshold = params.settings["threshold"]
                found = sensitivity.by_theta(matrices)
                found += sensitivity.by_order(matrices, threshold, ORDERS, seed)
                rows += [{"seed": seed, "block": block, "site": site, **row} for row in found]
    table = pd.DataFrame(rows)
    storage.write_csv(snakemake.output[0], table)
    log(f"{len(table)} rows")
