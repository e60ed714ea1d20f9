"""Labelled texts -> token ids, their vocabulary and the texts themselves in a dataset's file."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nodal.datasets.splits import SPLITS, divide, require_text
from nodal.datasets.words import SPECIAL, encode, splitter, vocabulary
from nodal.errors import NodalError
from nodal.files import storage

BATCH = 4096


class Text(NamedTuple):
    """One text as a source has it. where: the file and row that an error names."""

    where: str
    text: str
    label: str
    part: str | None


@dataclass
class Texts:
    """A dataset of texts, all in memory. splits: "train"/"test" -> ([Text], labels (n,)).

    origins: "train"/"test" -> what the data calls that split.
    """

    label_names: list
    splits: dict
    origins: dict
    tokenizer: str | None = None

    @classmethod
    def of(cls, texts, settings, files, where, log):
        """All texts of a source -> its two splits, as the settings choose them."""
        if not texts:
            raise NodalError(f"{where}: no text in it")
        for text in texts:
            require_text(text.where, text.text)
        labels, parts = [t.label for t in texts], [t.part for t in texts]
        division = divide(labels, parts, settings, where, log, "texts")
        splits = {
            split: ([texts[i] for i in rows], division.labels[rows])
            for split, rows in division.splits.items()
        }
        return cls(division.label_names, splits, division.origins, files.get("tokenizer"))

    def store(self, file, settings, log):
        """Write {split}/inputs (N, T) int32, labels, texts, and the vocabulary.

        T is the longest text's number of words, at most `length`; how many texts were cut is
        logged. Raises NodalError naming a text without a word.
        """
        split_words = splitter(self.tokenizer)
        train = (split_words(text.text) for text in self.splits["train"][0])
        words = vocabulary(train, settings["min_count"])
        ids = {word: i for i, word in enumerate(words) if i >= len(SPECIAL)}
        lengths = {split: self._lengths(split, split_words) for split in SPLITS}
        longest = max(int(n.max()) for n in lengths.values())
        length = min(settings["length"], longest)
        log(f"{len(words):,} words with padding and rare ones; the longest text has {longest}")
        for split, (texts, labels) in self.splits.items():
            cut = int((lengths[split] > length).sum())
            if cut:
                log(f"{split}: {cut:,} of {len(texts):,} texts are longer than {length} and cut")
            group = file.create_group(split)
            stored = group.create_dataset(
                "inputs", (len(texts), length), "i4", chunks=(min(BATCH, len(texts)), length),
                fletcher32=True,
            )  # fmt: skip
            for start in range(0, len(texts), BATCH):
                batch = texts[start : start + BATCH]
                rows = [encode(split_words(text.text), ids, length) for text in batch]
                stored[start : start + len(batch)] = rows
                file.check()
            storage.put(group, "labels", labels)
            storage.put_strings(group, "texts", [text.text for text in texts])
        storage.put_strings(file, "vocabulary", words)
        file.attrs["kind"], file.attrs["shape"] = "text", (len(words), length)

    def _lengths(self, split, split_words):
        lengths = np.zeros(len(self.splits[split][0]), np.int64)
        for i, text in enumerate(self.splits[split][0]):
            lengths[i] = len(split_words(text.text))
            if not lengths[i]:
                raise NodalError(f"{text.where}: no word in the text {text.text[:40]!r}")
        return lengths
