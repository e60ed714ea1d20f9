"""What stands where: names under their columns, bars under their words, curves on their axes."""

import numpy as np
import pandas as pd
import pytest
from nodal.figures import heads, layers

NAMES = ["ant", "bee", "cat", "dog", "emu"]


def test_a_column_of_shares_stands_over_its_own_label():
    share = np.array([[0.1, 0.9, 0.3, np.nan, 1.0], [0.9, 0.1, 0.7, np.nan, 0.0]])
    expert = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], bool)  # of the cat not where it is most
    head, label = (axis.ravel() for axis in np.indices(share.shape))
    table = pd.DataFrame({
        "seed": 0, "block": 0, "head": head, "label": label, "share_test": share.ravel(),
        "expert": expert.ravel(),
        "label_name": [NAMES[i] for i in label],
        "Q": 0.8, "Q_null": 0.6, "Q_null_low": 0.5, "Q_null_high": 0.7,
    })  # fmt: skip
    axis = heads.heads(table).axes[0]
    drawn = np.ma.filled(axis.collections[0].get_array().reshape(share.shape), np.nan)
    shown = [tick.get_text() for tick in axis.get_xticklabels()]
    assert sorted(shown) == NAMES
    for column, name in enumerate(shown):
        np.testing.assert_allclose(drawn[:, column], share[:, NAMES.index(name)], err_msg=name)
    assert shown == ["emu", "bee", "cat", "ant", "dog"], "of head 0 its surest first; none last"


def test_bars_of_expert_labels_are_called_so():
    rows = [
        {"seed": seed, "block": block, "expert": expert, "drop_auc": 0.4 if expert else 0.1}
        for seed in (0, 1) for block in (0, 1) for expert in (True, False)
    ]  # fmt: skip
    axis = heads.silencing(pd.DataFrame(rows)).axes[0]
    words = {text.get_text(): handle for handle, text in zip(
        axis.get_legend().legend_handles, axis.get_legend().get_texts(), strict=True
    )}  # fmt: skip
    assert set(words) == {"expert labels", "other labels"}
    for container in axis.containers:
        heights = {round(bar.get_height(), 6) for bar in container}
        (word,) = [
            word for word, handle in words.items()
            if handle.get_facecolor() == container[0].get_facecolor()
        ]  # fmt: skip
        assert heights == {0.4 if word == "expert labels" else 0.1}


WORDS = {
    "readout accuracy": "accuracy", "signal / noise": "snr", "noise (entries per node)": "noise",
    "cluster size (labels)": "cluster_size", "clusters per node": "clusters",
}  # fmt: skip


@pytest.mark.parametrize("draw", [layers.layers, layers.clusters, layers.comparison])
def test_each_axis_shows_the_column_that_it_names(draw):
    columns = dict(zip(WORDS.values(), (0.5, 2, 30, 4, 5), strict=True))
    rows = [
        {"experiment": "e", "seed": 0, "block": block, "part": "FF", "headline": True}
        | {name: value * (1 + block) for name, value in columns.items()}
        for block in (0, 1, 2)
    ]
    shown = [axis for axis in draw(pd.DataFrame(rows)).axes if axis.get_ylabel()]
    assert len(shown) >= 2
    for axis in shown:
        value = columns[WORDS[axis.get_ylabel()]]
        np.testing.assert_allclose(axis.get_lines()[0].get_ydata(), value * np.array([1, 2, 3]))
