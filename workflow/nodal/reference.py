"""config/README.md from config/schema.yaml: `python -m nodal.reference`."""

import yaml

from nodal import config

INTRODUCTION = """\
# The configuration

`config/config.yaml` names datasets and experiments; `config/schema.yaml` checks it before anything
runs, and these tables are written from that schema (`make reference`). A key that is left out takes
its default.

Another file laid over this one changes single keys: `snakemake --configfile mine.yaml`. A stage
reruns exactly when a key that it depends on changes: a new `snp.threshold` redoes the SNP matrices
and what follows, never the training.

Your own images:

```yaml
datasets:
  mine: {source: folder, path: images.zip, size: 32}   # train/<label>/*, test/<label>/*
experiments:
  mine:
    dataset: mine
    model: {name: cct_7/3x1}
    train: {recipe: basic, epochs: 100}
```

"""


def reference(schema=None):
    """The schema as Markdown tables, one per section: config/README.md's body."""
    schema = schema or config.load_schema()
    sections = [("The file", schema)]
    order = ("dataset", "experiment", "model", "train", "activations", "readout", "snp", "heads",
             "pruning", "compute")  # fmt: skip
    sections += [(f"`{name}`", schema["$defs"][name]) for name in order]
    lines = []
    for title, section in sections:
        lines += [f"## {title}", ""]
        if section.get("description"):
            lines += [section["description"], ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for key, part in section["properties"].items():
            part = config.resolve(part, schema)
            lines.append(f"| `{key}` | {_default(key, part, section)} | {_meaning(part)} |")
        lines.append("")
    return "\n".join(lines)


def _default(key, part, section):
    if key in section.get("required", ()):
        return "required"
    if part.get("default") == {}:
        return "as below" if "properties" in part else "none"
    return f"`{yaml.safe_dump(part['default'], default_flow_style=True).split(chr(10))[0]}`" \
        if "default" in part else "the variant's"  # fmt: skip


def _meaning(part):
    text = " ".join(part.get("description", "").split())
    if "enum" in part:
        text += " One of " + ", ".join(f"`{choice}`" for choice in part["enum"]) + "."
    return text


def text():
    """The whole of config/README.md."""
    return INTRODUCTION + reference()


if __name__ == "__main__":
    (config.SCHEMA.parent / "README.md").write_text(text())
