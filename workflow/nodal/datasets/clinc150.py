"""CLINC150 (Larson et al., 2019): 150 intents, from its data_full.json as published."""

import json
from pathlib import Path

from nodal.datasets.texts import Text, Texts
from nodal.errors import NodalError

PARTS = ("train", "val", "test")


def open_source(settings, files, log):
    path = Path(files["data_full.json"])
    try:
        content = json.loads(path.read_bytes())
        texts = [
            Text(f"{path}: {part} {i}", text, label, part)
            for part in PARTS
            for i, (text, label) in enumerate(content[part])
        ]
    except FileNotFoundError as error:
        raise NodalError(f"{path}: no such file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NodalError(
            f"{path}: not CLINC150's data_full.json, lists of [text, label] in {', '.join(PARTS)} "
            f"({error!r})"
        ) from error
    left_out = {part: len(rows) for part, rows in content.items() if part not in PARTS}
    for part, count in left_out.items():
        log(f"{path}: {count:,} texts of {part} are out of scope and not used")
    return Texts.of(texts, settings, files, path, log)
