"""What each head of a block knows. In: SNP matrices, readouts, silencing. Out: a row per label."""

import numpy as np
from nodal import heads, storage
from nodal.jobs import job

with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    block = int(wildcards.block)
    with storage.read_hdf5(snakemake.input.matrices) as file:
        matrices = file["heads/snp"][:].astype(np.float32) * file["heads/scale"][:][:, None, None]
        diagonal = file["heads/clusters"][:] >= 0
    with storage.read_hdf5(snakemake.input.readout) as file:
        restricted = file["heads/head_accuracy"][:]
    with storage.read_hdf5(snakemake.input.dataset) as file:
        names = list(file.attrs["label_names"])
    silenced = storage.read_csv(snakemake.input.silencing).query(f"block == {block}")
    silenced = silenced.assign(drop=silenced.accuracy_dense - silenced.accuracy_silenced)
    drop = silenced.pivot(index="head", columns="label", values="drop").to_numpy()
    rows = heads.report(
        matrices, diagonal, restricted, drop, params.threshold, params.permutations,
        seed=1000 * int(wildcards.seed) + block,
    )  # fmt: skip
    rows.insert(0, "block", block)
    rows.insert(3, "label_name", [names[label] for label in rows.label])
    storage.write_csv(snakemake.output[0], rows)
    log(f"Q = {rows.Q[0]:.3f}, null {rows.Q_null[0]:.3f}, p = {rows.p_Q[0]:.4f}")
