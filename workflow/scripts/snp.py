"""SNP matrices of blocks. In: readouts. Out: matrices (HDF5), a row per node, a null's reports."""

import numpy as np
import pandas as pd
from nodal import snp
from nodal.files import storage
from nodal.pipeline.jobs import job


def measure(readouts, target, block, params, seed, log):
    """Describe a block's nodes, site by site: (a row per node, a report per permutation)."""
    settings, nodes, nulls = params.settings, [], []
    for site in params.sites[block]:
        means = readouts[f"{site}/class_means/{settings['split']}"][:]
        field = snp.field(means, readouts[f"{site}/weights"][:])
        columns, clusters, null = snp.describe(
            field, settings["threshold"], settings["null_permutations"], seed
        )
        frame = pd.DataFrame(columns)
        head = "" if site not in params.head_sites else frame.node // (len(frame) // params.heads)
        frame.insert(0, "tap", f"block{block}.{site}")
        frame.insert(2, "head", head)
        nodes.append(frame)
        nulls.append(pd.DataFrame(null).assign(site=site))
        group = target.create_group(site)
        group.attrs["pooled"] = readouts[site].attrs["pooled"]
        field.save(group)
        storage.put(group, "clusters", clusters.astype(np.int16))
        log(f"block{block}.{site}: {snp.tap_report(columns)}")
    return pd.concat(nodes), pd.concat(nulls)


with job(snakemake) as log:
    params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output
    attributes = {"experiment": wildcards.experiment, "seed": int(wildcards.seed)}
    attributes |= params.settings
    for block, path, *made in zip(
        params.sites, snakemake.input, output.matrices, output.nodes, output.null, strict=True
    ):
        matrices, table, null_table = made
        with (
            storage.read_hdf5(path) as readouts,
            storage.write_hdf5(
                matrices, attributes | {"block": block, "readout": storage.settings_of(readouts)}
            ) as target,
        ):
            nodes, null = measure(readouts, target, block, params, int(wildcards.seed), log)
        storage.write_csv(table, nodes)
        storage.write_csv(null_table, null)
