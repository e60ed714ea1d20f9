"""Judge the claims by the rules of docs/claims.md. In: the tables. Out: tables/claims.csv."""

from nodal import claims, storage
from nodal.jobs import job

with job(snakemake) as log:
    tables = {name: storage.read_csv(path) for name, path in snakemake.input.items()}
    table = claims.judge(tables)
    storage.write_csv(snakemake.output[0], table)
    for line in claims.lines(table):
        log(line)
