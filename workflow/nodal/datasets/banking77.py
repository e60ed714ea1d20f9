"""Banking77 (Casanueva et al., 2020): 77 intents of a bank's customers, two CSV files."""

from nodal.datasets import text
from nodal.datasets.texts import Texts

COLUMNS = {"text": "text", "label": "category"}


def open_source(settings, files, log):
    texts = [
        row
        for part in ("train", "test")
        for row in text.table(files[f"{part}.csv"], COLUMNS, log, part)
    ]
    return Texts.of(texts, settings, files, files["train.csv"], log)
