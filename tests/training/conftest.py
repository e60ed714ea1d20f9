"""A training of a second: 320 digits."""

from dataclasses import replace

import pytest
from nodal import datasets


@pytest.fixture(scope="session")
def small(digits):
    """The first 320 images of each split of the digits; three steps of 128 an epoch."""
    dataset = digits[1]
    cut = {
        name: datasets.Split(split.inputs[:320], split.labels[:320])
        for name, split in (("train", dataset.train), ("test", dataset.test))
    }
    return replace(dataset, **cut)
