"""What each head of a block knows. In: SNP matrices, readouts, silencing. Out: a row per label."""

from nodal import datasets, heads, snp
from nodal.files import storage
from nodal.pipeline.jobs import job


def measured(readouts, params):
    """Of a block: what each head alone recognises, and the labels its nodes have in each split."""
    group = readouts["heads"]
    alone = {
        "restricted_auc": group["head_auc"][:],
        "restricted_accuracy": group["head_accuracy"][:],
    }
    diagonals = {
        split: snp.diagonals(
            snp.field(group[f"class_means/{split}"][:], group["weights"][:]), params.threshold
        )
        for split in ("train", "test")
    }
    return alone, diagonals


def drops(silencing, block):
    """Of a block: what is lost of each label with each head silenced, (H, C)."""
    rows = silencing.query(f"block == {block}")
    return {
        f"drop_{kind}": rows.assign(lost=rows[f"{kind}_dense"] - rows[f"{kind}_silenced"])
        .pivot(index="head", columns="label", values="lost")
        .to_numpy()
        for kind in ("auc", "accuracy")
    }


with job(snakemake) as log:
    files, params, seed = snakemake.input, snakemake.params, int(snakemake.wildcards.seed)
    silencing = storage.read_csv(files.silencing)
    with datasets.opened(files.dataset) as dataset:
        names = dataset.label_names
    for block, path, readout, made in zip(
        params.blocks, files.matrices, files.readouts, snakemake.output, strict=True
    ):
        with storage.read_hdf5(path) as file:
            matrices = snp.read(file["heads"]).matrices()
            described = file["heads/clusters"][:] >= 0
        with storage.read_hdf5(readout) as file:
            alone, diagonals = measured(file, params)
        diagonals[params.split] = described
        rows = heads.report(
            matrices, diagonals, params.split, alone | drops(silencing, block), params.threshold,
            params.permutations, seed=1000 * seed + block,
        )  # fmt: skip
        rows.insert(0, "block", block)
        rows.insert(3, "label_name", [names[label] for label in rows.label])
        storage.write_csv(made, rows)
        log(f"block {block}: Q = {rows.Q[0]:.3f}, null {rows.Q_null[0]:.3f}, p = {rows.p_Q[0]:.4f}")
