"""SNP matrices of a block. In: readouts. Out: matrices (HDF5), a row per node, a null's reports."""

import numpy as np
import pandas as pd
from nodal import snp, storage
from nodal.jobs import job

with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    attributes = {"experiment": wildcards.experiment, "seed": int(wildcards.seed)}
    attributes |= {"block": int(wildcards.block), **params.settings}
    nodes, nulls = [], []
    with (
        storage.read_hdf5(snakemake.input.readout) as readouts,
        storage.write_hdf5(snakemake.output.matrices, attributes) as target,
    ):
        for site in params.sites:
            means = readouts[f"{site}/class_means/{params.settings['split']}"][:]
            matrices = snp.snp_matrices(means, readouts[f"{site}/weights"][:])
            boolean = snp.binarize(matrices, params.settings["threshold"])
            index = snp.clusters(boolean)
            frame = pd.DataFrame(snp.statistics_columns(boolean, index))
            head = "" if site not in params.head_sites else frame.node // (
                len(frame) // params.heads
            )  # fmt: skip
            frame.insert(0, "tap", f"block{wildcards.block}.{site}")
            frame.insert(2, "head", head)
            nodes.append(frame)
            null = snp.null_reports(
                boolean, params.settings["null_permutations"], int(wildcards.seed)
            )
            nulls.append(pd.DataFrame(null).assign(site=site))
            group = target.create_group(site)
            scale = np.abs(matrices).max((1, 2))
            scaled = matrices / np.where(scale > 0, scale, 1)[:, None, None]
            storage.put(group, "snp", scaled.astype(np.float16), chunks=(1, *scaled.shape[1:]))
            storage.put(group, "scale", scale)
            storage.put(group, "clusters", index.astype(np.int16))
            log(f"{site}: {snp.tap_report(frame)}")
    storage.write_csv(snakemake.output.nodes, pd.concat(nodes))
    storage.write_csv(snakemake.output.null, pd.concat(nulls))
