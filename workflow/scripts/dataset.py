"""Prepare a dataset. In: its published or local files. Out: one HDF5 file of images and labels."""

from nodal import datasets
from nodal.download import verified
from nodal.jobs import job

with job(snakemake) as log:
    files = dict(snakemake.params.files)
    for name, published in snakemake.params.published.items():
        verified(files[name], published.md5, published.size)
    datasets.prepare(
        snakemake.output[0], snakemake.wildcards.dataset, snakemake.params.settings, files
    )
    log(f"wrote {snakemake.output[0]}")
