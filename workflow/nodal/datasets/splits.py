"""Which inputs train and which test: parts by their names, a share held out, labels in order.

A source lists its inputs, each with its label and its part (train, val, test, or None where the
data has no parts); `divide` makes the two splits of them.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from nodal.errors import NodalError

SPLITS = ("train", "test")
SHOWN = 5  # labels in the log, by which a folder that is none is seen
PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def part(name):
    """A folder's or a column's word for a part, in any case -> 'train', 'val', 'test' or None."""
    return PARTS.get(str(name).lower())


def require_text(where, text):
    """Raise NodalError for what cannot be written: bytes that are no UTF-8, half an emoji."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        said = text[max(0, error.start - 20) : error.start + 1]
        raise NodalError(f"{where}: {said!r} is not UTF-8; expected that encoding") from error


@dataclass(frozen=True)
class Division:
    """labels: (N,) int64, indices of label_names. splits: "train"/"test" -> rows, ascending.

    origins: "train"/"test" -> what the data calls that split, "train and val" for instance.
    """

    label_names: list
    labels: np.ndarray
    splits: dict
    origins: dict


def divide(labels, parts, settings, where, log, noun="images"):
    """Labels (N,) and parts (N,) of all inputs -> Division.

    settings: `train`, `test`, `test_share` and `test_seed` of a dataset's section. where: the file
    that an error names. noun: what an input is called. The log says how many of which part were
    taken, and how many were not. Raises NodalError naming the part or the label.
    """
    names = ordered(set(labels))
    for name in names:
        require_text(where, name)
    index = {name: i for i, name in enumerate(names)}
    ids = np.array([index[label] for label in labels], np.int64)
    splits, origins = _splits(ids, np.array(parts, object), names, settings, where, noun)
    for split, other in (SPLITS, SPLITS[::-1]):
        missing = np.setdiff1d(ids[splits[other]], ids[splits[split]])
        for i in missing[:1]:
            raise NodalError(
                f"{where}: label {names[i]!r} has {noun} in {other} but none in {split}"
            )
    used = np.concatenate(list(splits.values()))
    kept, ids[used] = np.unique(ids[used], return_inverse=True)
    lost = [name for i, name in enumerate(names) if i not in kept]
    names = [names[i] for i in kept]
    for split, rows in splits.items():
        log(f"{where}: {len(rows):,} {noun} of {origins[split]}: the {split} split")
    some = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    log(f"{where}: {len(names)} labels: {some}")
    unused = Counter(np.delete(np.array(parts, object), used))
    for name, count in unused.items():
        log(f"{where}: {count:,} {noun} of {name} are not used")
    if lost:
        log(f"{where}: labels of unused {noun} alone, not used: {', '.join(lost)}")
    return Division(names, ids, splits, origins)


def ordered(names):
    """Names in alphabetical order; by value if all are whole numbers.

    >>> ordered(["10", "9", "007"]), ordered(["10", "9", "b"])
    (['007', '9', '10'], ['10', '9', 'b'])
    """
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _splits(ids, parts, names, settings, where, noun):
    """{split: rows} and, for the log, where each comes from."""
    present = set(parts)
    share = settings.get("test_share")
    if present <= {None, "train"}:
        if settings.get("train") == "trainval" or settings.get("test"):
            asked = "train: trainval" if settings.get("train") == "trainval" else "test"
            raise NodalError(f"{where}: dataset.{asked}: the data has no such part")
        if share is None:
            raise NodalError(
                f"{where}: no test part; expected train/ and test/ (or val/), or dataset.test_share"
            )
        held = stratified(ids, share, settings.get("test_seed", 0))
        without = np.bincount(ids[held], minlength=len(names)) == 0
        for name in np.array(names, object)[without][:1]:
            raise NodalError(
                f"{where}: label {name!r} has one of the {noun}; dataset.test_share needs two"
            )
        rows = {"train": np.flatnonzero(~held), "test": np.flatnonzero(held)}
        return rows, {"train": f"test_share {share:g}, the rest", "test": f"test_share {share:g}"}
    if share is not None:
        raise NodalError(
            f"{where}: dataset.test_share: the data has parts of its own "
            f"({', '.join(sorted(map(str, present)))}); expected no share"
        )
    chosen = choose(present, settings, where)
    rows = {split: np.flatnonzero(np.isin(parts, wanted)) for split, wanted in chosen.items()}
    return rows, {split: " and ".join(wanted) for split, wanted in chosen.items()}


def choose(present, settings, where):
    """The parts there are -> {"train": parts to train on, "test": parts to test on}.

    Raises NodalError for a part that is not there, and where one would serve both.
    """
    train = ["train", "val"] if settings.get("train") == "trainval" else ["train"]
    test = settings.get("test") or ("test" if "test" in present else "val")
    if test in train:
        raise NodalError(
            f"{where}: dataset.train: trainval with val as the test; expected a test part beside it"
        )
    for wanted in (*train, test):
        if wanted not in present:
            raise NodalError(
                f"{where}: has no {wanted} part; found {', '.join(sorted(map(str, present)))}"
            )
    return {"train": train, "test": [test]}


def stratified(labels, share, seed=0):
    """Boolean (N,): a fixed random share of each label held out, at least one input of it.

    One input of each label is always left, so a label that has only one has none held out.
    """
    random = np.random.default_rng(seed)
    labels = np.asarray(labels)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return held


def learning_part(labels, holdout, share, seed=0):
    """Training labels (N,) -> indices to learn queries from: a share of each label, none held out.

    holdout: the readout's, so that no query has seen what the readout chooses by. Raises NodalError
    naming a label that is left without an input.
    """
    labels = np.asarray(labels)
    rest = np.flatnonzero(~stratified(labels, holdout))
    if share < 1:
        rest = rest[stratified(labels[rest], share, seed)]
    missing = np.setdiff1d(labels, labels[rest])
    if missing.size:
        raise NodalError(
            f"pooling.share: label {missing[0]} has no input to learn from; expected a larger "
            "share or a smaller readout.holdout"
        )
    return rest
