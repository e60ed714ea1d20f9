"""Judge the claims by the rules of docs/claims.md. In: the tables. Out: tables/claims.csv."""

from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts.claims import verdicts
from nodal.verdicts.judge import lines

with job(snakemake) as log:
    tables = {name: storage.read_csv(path) for name, path in snakemake.input.items()}
    table = verdicts(tables)
    storage.write_csv(snakemake.output[0], table)
    for line in lines(table):
        log(line)
