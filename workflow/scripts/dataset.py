"""Prepare a dataset. In: its published or local files. Out: one HDF5 file of inputs and labels."""

from nodal import datasets
from nodal.files.download import verified
from nodal.pipeline.jobs import job

with job(snakemake) as log:
    files = dict(snakemake.params.files)
    for name, published in snakemake.params.published.items():
        verified(files[name], published.md5, published.size)
    name, settings = snakemake.wildcards.dataset, snakemake.params.settings
    datasets.prepare(snakemake.output[0], name, settings, files, log)
    log(f"wrote {snakemake.output[0]}")
