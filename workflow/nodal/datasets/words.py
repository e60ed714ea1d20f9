"""Texts as words, and words as ids: a vocabulary of the training split alone."""

from collections import Counter

import numpy as np

from nodal.errors import NodalError

PADDING, RARE = 0, 1
SPECIAL = ["<padding>", "<rare>"]
WORD = r"(?u)\b\w+\b"  # scikit-learn's own pattern leaves out words of one letter


def splitter(tokenizer=None):
    """A function text -> list of words: scikit-learn's analyser, or a file of `tokenizers`.

    tokenizer: path of a tokenizer.json, or None. Raises NodalError naming a file that is none.
    """
    if tokenizer is None:
        from sklearn.feature_extraction.text import CountVectorizer

        return CountVectorizer(token_pattern=WORD).build_analyzer()
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise NodalError(
            "dataset.tokenizer: needs the package tokenizers; pip install tokenizers"
        ) from error
    try:
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # the library raises nothing narrower
        raise NodalError(f"{tokenizer}: not a tokenizer file ({error})") from error
    loaded.no_truncation()
    loaded.no_padding()
    return lambda text: loaded.encode(text, add_special_tokens=False).tokens


def vocabulary(texts, min_count):
    """Lists of words -> the word of each id, frequent ones first.

    Id 0 is padding and 1 stands for every word seen fewer than `min_count` times, or never.
    """
    counts = Counter(word for words in texts for word in words)
    kept = (word for word, count in counts.items() if count >= min_count)
    return [*SPECIAL, *sorted(kept, key=lambda word: (-counts[word], word))]


def encode(words, ids, length):
    """Words -> (length,) int32: the id of each, padded with 0; what lies beyond is cut.

    ids: {word: id}.
    """
    row = np.zeros(length, np.int32)
    row[: len(words)] = [ids.get(word, RARE) for word in words[:length]]
    return row
