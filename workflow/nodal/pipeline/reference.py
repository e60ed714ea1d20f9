"""config/README.md from config/schema.yaml: `python -m nodal.pipeline.reference`."""

from pathlib import Path

import yaml

from nodal.pipeline import schemas

README = Path(__file__).parents[3] / "config" / "README.md"

INTRODUCTION = """\
# The configuration

`config/config.yaml` names datasets and experiments; `config/schema.yaml` checks it before anything
runs, and these tables are written from that schema (`make reference`). A key that is left out takes
its default.

Another file laid over this one changes single keys: `snakemake --cores all --configfile
mine.yaml`. A stage reruns exactly when a key that it depends on changes: a new `snp.threshold`
redoes the SNP matrices and what follows, never the training. A default written out, another order
of the keys and `1` for `1.0` change nothing.

A run in a folder of its own, `snakemake --cores all --directory /scratch/run --snakefile
.../Snakefile`, reads that folder's `config/config.yaml` if there is one, else this one, and leaves
everything there. A relative path means the folder of the file that names it: for a
`config/config.yaml` the folder that holds `config/`, for `--configfile mine.yaml` the folder of
`mine.yaml`, for `--config` the run's.

Your own images:

```yaml
datasets:
  mine: {source: folder, path: images.zip, size: 32}   # train/<label>/*, test/<label>/*
experiments:
  mine:
    dataset: mine
    model: {name: cct_4/3x2}
    train: {recipe: basic, epochs: 100}
    compute: {threads: 4}
```

A `folder` is a directory, zip or tar: `train/` beside `test/` or `val/`, in any case; or label
folders alone, with `test_share: 0.2`; or files in any order, with a `manifest: splits.csv` of the
columns file, label and split. One folder more around everything is passed through, `valid/` and
`validation/` are `val/`, images are their label's however deep below it, and labels that are all
numbers stand in their order. Of 16-bit images the upper 8 are kept, of several images in a file
the first. Arrays of an `npz` are named `x_train`, `y_train`, ... or as MedMNIST's: images uint8,
(N, H, W), (N, H, W, channels), or (N, channels, H, W) where that is the only reading; one label
each, 0..C-1 or text, (N,) or (N, 1). `results/logs/dataset/mine.log` counts what was taken, and
what was not and why. With fewer than some thousand images two epochs teach a query little:
`pooling: {epochs: 0, steps: 100}`.

Your own texts:

```yaml
datasets:
  mine: {source: text, path: train.csv, test: test.csv, columns: {text: text, label: category}}
experiments:
  mine:
    dataset: mine
    model: {name: text_cct_4, dropout: 0.2}
    train: {recipe: words}
```

Texts lie in folders as images do (`.txt`), or in tables with named columns (`.csv`, `.tsv`,
`.jsonl`); one table does, with `columns: {split: ...}` or `test_share`.

"""


SECTIONS = ("dataset", "experiment", "model", "train", "pooling", "activations", "readout", "snp",
            "heads", "pruning", "atlas", "compute")  # fmt: skip


def reference(schema=None):
    """The schema as Markdown tables, one per section: config/README.md's body."""
    schema = schema or schemas.load()
    sections = [("The file", schema)]
    sections += [(f"`{name}`", schema["$defs"][name]) for name in SECTIONS]
    lines = []
    for title, section in sections:
        lines += [f"## {title}", ""]
        if section.get("description"):
            lines += [section["description"], ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for key, part in section["properties"].items():
            part = schemas.resolve(part, schema)
            lines.append(f"| `{key}` | {_default(key, part, section)} | {_meaning(part)} |")
        lines.append("")
    return "\n".join(lines)


def _default(key, part, section):
    if key in section.get("required", ()):
        return "required"
    if key in SECTIONS and "properties" in part:
        return "as below"
    if "default" not in part:
        return "the variant's"
    default = part["default"]
    if default == {}:
        default = {name: one["default"] for name, one in part.get("properties", {}).items()}
    said = yaml.safe_dump(default, default_flow_style=True, sort_keys=False).split("\n")[0]
    return f"`{said}`" if default != {} else "none"


def _meaning(part):
    text = " ".join(part.get("description", "").split())
    if "enum" in part:
        named = ["null" if choice is None else choice for choice in part["enum"]]
        text += " One of " + ", ".join(f"`{choice}`" for choice in named) + "."
    return text


def text():
    """The whole of config/README.md."""
    return INTRODUCTION + reference()


if __name__ == "__main__":
    README.write_text(text())
