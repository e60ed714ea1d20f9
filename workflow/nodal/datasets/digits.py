"""1,797 real handwritten digits, 8 x 8 pixels, 10 labels (UCI, by way of scikit-learn)."""

import numpy as np

from nodal.datasets.images import Images

TEST_SHARE = 0.25
SPLIT_SEED = 0


def open_source(settings, files, log):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    train, test = train_test_split(
        np.arange(len(images)),
        test_size=TEST_SHARE,
        stratify=digits.target,
        random_state=SPLIT_SEED,
    )
    return Images(
        label_names=[str(name) for name in digits.target_names],
        splits={
            "train": [(images[train], digits.target[train])],
            "test": [(images[test], digits.target[test])],
        },
        origins={"train": "three quarters", "test": "a quarter, drawn once"},
    )
