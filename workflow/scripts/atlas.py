"""One page of an experiment to look through. In: all its artifacts. Out: atlas.html."""

from nodal.atlas import document, page
from nodal.atlas.network import Network
from nodal.files import storage
from nodal.pipeline.jobs import job
from nodal.verdicts.report import pilot_words

BY_BLOCK = {"readouts": "readouts", "matrices": "matrices", "nodes": "nodes",
            "extremes": "extremes", "heads": "head_blocks"}  # fmt: skip


def networks(files, seeds):
    """The artifacts of each seed: Snakemake's flat lists cut up again."""
    for i, seed in enumerate(seeds):
        blocks = {}
        for kind, given in BY_BLOCK.items():
            each = list(files.get(given, []))
            n = len(each) // len(seeds)
            blocks[kind] = each[i * n : (i + 1) * n]
        single = {kind: files[kind][i] for kind in ("logits", "pooling") if files.get(kind)}
        yield Network(seed=seed, model=files["models"][i], **blocks, **single)


with job(snakemake) as log:
    files, params = snakemake.input, snakemake.params
    sources = document.Sources(
        dataset=files.dataset,
        networks=list(networks(files, params.seeds)),
        tables={name: files[name] for name in ("claims", "layers", "pruning") if files.get(name)},
        sites=params.sites,
        n_heads=params.heads,
        threshold=params.snp["threshold"],
        facts={
            "experiment": snakemake.wildcards.experiment,
            "dataset": params.dataset,
            "model": ", ".join(
                str(value) if key == "name" else f"{key.replace('_', ' ')} {value}"
                for key, value in params.model.items()
            ),
            "readout": document.readout_words(params.activations),
            "split": params.snp["split"],
            "seeds": list(params.all_seeds),
            "pilots": pilot_words(params.all_seeds, params.dataset),
        },
        compute={"precision": params.precision, "device": params.device},
    )
    made = document.gather(sources, page.room(params.size))
    text = page.assemble(made)
    with storage.atomic(snakemake.output[0]) as temporary:
        temporary.write_text(text, encoding="utf-8")
    log(f"{len(text) / 1e6:.2f} MB, seeds {[seed['seed'] for seed in made['seeds']]}")
    for line in made["left_out"]:
        log(line)
