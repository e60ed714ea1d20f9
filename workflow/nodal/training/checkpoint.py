"""The state of a training between two epochs, and the question whose state it is."""

import hashlib
from pathlib import Path

from nodal.errors import NodalError
from nodal.files import storage
from nodal.training.recipe import differing


def identity(settings, seed, **others):
    """All that decides how a training goes, as a dict of plain values.

    settings: the train section; what is at its default leaves no trace. others: what else it
    depends on: the model's settings, the content of the dataset and of pretrained weights.
    """
    recipe = {f"train.{key}": value for key, value in differing(settings).items()}
    return {**recipe, "seed": seed, **others}


def content(path):
    """SHA-256 of a file's bytes, None without a path."""
    if not path:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Checkpoint:
    """Where a training keeps its state after each epoch.

    path: of the file, None to keep nothing. identity: see above. say: called with a sentence about
    what was found.
    """

    def __init__(self, path, identity, say):
        self.path = path and Path(path)
        self.identity, self.say = identity, say

    def save(self, history, model, optimizer):
        if self.path:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            storage.save_torch(self.path, {"identity": self.identity, "history": history, **state})

    def resume(self, model, optimizer, device):
        """Load the state of this training into model and optimizer; return its history.

        What another training left there, or what cannot be read, is kept under another name.
        """
        if self.path is None or not self.path.exists():
            return []
        try:
            state = storage.load_torch(self.path, device)
            found = dict(state["identity"])
        except (NodalError, KeyError, TypeError, ValueError) as error:
            self._set_aside(f"cannot be read ({error})")
            return []
        if found != self.identity:
            self._set_aside(f"is of another training: other {_difference(found, self.identity)}")
            return []
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        self.say(f"goes on after epoch {len(state['history'])}, from {self.path}")
        return state["history"]

    def _set_aside(self, why):
        n = 1
        while (other := self.path.with_name(f"{self.path.stem}.{n}{self.path.suffix}")).exists():
            n += 1
        self.path.rename(other)
        self.say(f"{self.path} {why}; kept as {other.name}, training starts anew")


def _difference(found, wanted):
    return ", ".join(
        sorted(k for k in {*found, *wanted} if found.get(k, ...) != wanted.get(k, ...))
    )
