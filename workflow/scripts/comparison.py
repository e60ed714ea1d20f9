"""Put experiments side by side. In: their layer tables. Out: a table, claims and a figure."""

from pathlib import Path

from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts.comparison import compare
from nodal.verdicts.judge import lines

with job(snakemake) as log:
    layers = {
        name: storage.read_csv(path)
        for name, path in zip(snakemake.params.experiments, snakemake.input, strict=True)
    }
    target = Path(snakemake.output.table).parent
    for line in lines(compare(layers, target)):
        log(line)
