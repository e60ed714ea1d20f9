"""What one input of a dataset is: the description that a model is built from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nodal.errors import NodalError

AXES = {"image": ("channels", "height", "width"), "text": ("vocabulary", "length")}


@dataclass(frozen=True)
class Inputs:
    """One kind of input and its shape.

    kind: "image", stored as uint8 (N, height, width, channels), with shape (channels, height,
    width); or "text", stored as token ids (N, length), 0 for padding, with shape (vocabulary,
    length). Raises NodalError if the shape is not of the kind.
    """

    kind: str
    shape: tuple

    def __post_init__(self):
        wanted = AXES.get(self.kind, ())
        if len(self.shape) != len(wanted) or not wanted or min(self.shape) < 1:
            raise NodalError(
                f"inputs: {self.kind} of shape {tuple(self.shape)}; expected "
                + " or ".join(f"{kind} ({', '.join(axes)})" for kind, axes in AXES.items())
            )

    @classmethod
    def of(cls, description):
        """A description, or the (channels, height, width) of images -> Inputs."""
        if isinstance(description, cls):
            return description
        return cls("image", tuple(int(n) for n in description))

    @cached_property
    def axes(self):
        return dict(zip(AXES[self.kind], self.shape, strict=True))

    def example(self, n=1):
        """n blank inputs as the dataset stores them."""
        if self.kind == "text":
            return np.ones((n, self.axes["length"]), np.int32)
        return np.zeros((n, *self.shape[1:], self.shape[0]), np.uint8)
