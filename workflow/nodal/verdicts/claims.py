"""The claims, each with its rule fixed before any run; docs/claims.md says why each is so."""

from dataclasses import replace

import numpy as np
import pandas as pd

from nodal.verdicts import dilution, statistics
from nodal.verdicts.judge import Claim, interval, judge, row
from nodal.verdicts.statistics import excess, mean_block, mean_output, rise
from nodal.verdicts.tables import instrument

CONTROLS = {
    "random": "weights kept at random",
    "magnitude": "the largest weights kept",
    "wanda": "the largest weight x activation of each row kept",
    "wanda_matrix": "the largest weight x activation of the matrix kept",
    "random_labels": "ANDC on labels drawn at random",
}
PART_NAMES = {
    "MHA": "attention",
    "FF": "feed-forward",
    "out": "encoder",
    "stage": "stage",
}


def outputs_read(layers):
    """Were all taps read that stand for the network's sub-blocks?"""
    parts = set(statistics.outputs(layers).part)
    return parts in ({"MHA", "FF"}, {"stage"})


def has_course(part):
    """Was the part's output read, in more than one block?"""
    return lambda layers: statistics.outputs(layers, [part]).block.nunique() > 1


def several_heads(heads):
    return heads["head"].nunique() > 1


def pruned_with(*methods, tuned=True):
    """Were all blocks' matrices pruned by ANDC and these methods, and fine-tuned if asked?"""

    def applies(pruning):
        whole = pruning[pruning.scope == "all"]
        if not {"andc", *methods} <= set(whole.method):
            return False
        return not (tuned and whole.accuracy_tuned.isna().all())

    return applies


def compared_with(control, tuned):
    """Was there a dilution asked for at which ANDC and a control were both tried?"""
    applies = pruned_with(control, tuned=tuned)
    return lambda pruning: applies(pruning[pruning.target > 0])


def every_matrix_pruned(pruning):
    """Does scope `all` hold every matrix of the blocks, not only those whose ends were read?"""
    whole = pruning[pruning.scope == "all"]
    complete = "n_matrices" not in whole or (whole.n_weights == whole.n_matrices).all()
    return complete and pruned_with()(pruning)


def _recognition():
    share = mean_output(lambda rows: 1 - rows.no_cluster_share)
    few = mean_output(lambda rows: rows.clusters / rows.n_labels)
    small = mean_output(lambda rows: rows.cluster_size / rows.n_labels)
    more = {
        "1.recognise.null": ("more nodes recognise labels", statistics.recognised_excess),
        "1.few.null": ("a node has more clusters", excess("clusters")),
        "1.small.null": ("a node's clusters are larger", excess("cluster_size")),
        "1.null": ("more of the ones are signal", excess("signal_share")),
    }
    bounds = {
        "1.recognise": ("most nodes recognise at least one cluster of labels", share, ">", 0.5),
        "1.few": ("a node's clusters are few, as a share of the labels", few, "<", 0.25),
        "1.small": ("a node's clusters are small, as a share of the labels", small, "<", 0.25),
    }
    for key, (text, *rule) in bounds.items():
        yield Claim(key, text, "layers", *rule, outputs_read)
    for key, (text, statistic) in more.items():
        text = f"{text} than with permuted labels"
        yield Claim(key, text, "layers", statistic, ">", 0, outputs_read, control=True)


def _sharpening(number, part):
    name = PART_NAMES[part]
    rows = {
        "accuracy": ("readout accuracy rises along the", rise(part, "accuracy"), ">"),
        "snr": ("signal over noise rises along the", rise(part, "signal_share"), ">"),
        "noise": ("noise falls along the", rise(part, "noise"), "<"),
    }
    for key, (text, statistic, relation) in rows.items():
        text = f"{text} {name} outputs"
        yield Claim(
            f"{number}.{part}.{key}", text, "layers", statistic, relation, 0, has_course(part)
        )
    text = f"that rise of signal over noise ({name}) exceeds the rise with permuted labels"
    statistic = statistics.rise_over_null(part, "signal_share")
    yield Claim(
        f"{number}.{part}.null", text, "layers", statistic, ">", 0, has_course(part), control=True
    )


def _pruning():
    text = "ANDC removes more than half of the blocks' weights at no loss of accuracy"
    statistic = dilution.free_dilution_of_andc
    yield Claim("4.dilution", text, "pruning", statistic, ">", 0.5, every_matrix_pruned)
    for key, column in (("tuned", "accuracy_tuned"), ("pruned", "accuracy_pruned")):
        when = "after fine-tuning" if key == "tuned" else "right after pruning"
        for control, words in CONTROLS.items():
            text = f"ANDC keeps more accuracy {when} than {words}"
            applies = compared_with(control, tuned=key == "tuned")
            statistic = dilution.lead(control, column)
            key_of = f"4.{key}.{control}"
            yield Claim(key_of, text, "pruning", statistic, ">", 0, applies, control=True)


def _heads():
    rows = [
        ("breaking", "heads divide the labels: Q exceeds its null",
         mean_block(lambda b: b.Q - b.Q_null), False),
        ("blocks", "Q is significant (5%, corrected) in most blocks: its z less the critical one",
         statistics.most_blocks, False),
        ("restricted", "one head alone knows the labels better that it is the expert for",
         mean_block(lambda b: b.restricted_excess), False),
        ("silenced", "silencing a head costs its expert labels more than the rest",
         mean_block(lambda b: b.drop_excess), True),
        ("causal", "a head's share of a label correlates with the loss when it is silenced",
         mean_block(lambda b: b.rho_excess), True),
        ("cooperation", "a head's nodes together have more signal over noise than random groups",
         mean_block(lambda b: b.cooperation_excess), False),
    ]  # fmt: skip
    for key, text, statistic, control in rows:
        yield Claim(f"5.{key}", text, "heads", statistic, ">", 0, several_heads, control)


CLAIMS = [
    *_recognition(),
    *_sharpening("2", "MHA"),
    *_sharpening("2", "FF"),
    *_sharpening("2", "out"),
    *_sharpening("3", "stage"),
    *_pruning(),
    *_heads(),
]


def verdicts(tables):
    """{"layers", "pruning", "heads": data frame or None} -> a row per claim, and its instrument."""
    return judge(CLAIMS, tables).assign(instrument=instrument(tables["layers"]))


def one_form_each(layers_by_experiment):
    """The experiment that stands for each network: its own where compared, else the first by name.

    {experiment: layer table}; column `network` is the experiment whose network was read.
    """
    forms = {}
    for name, layers in sorted(layers_by_experiment.items()):
        forms.setdefault(layers.network.iloc[0], []).append(name)
    return sorted(owner if owner in names else names[0] for owner, names in forms.items())


def unified(layers_by_experiment):
    """{experiment: layer table} -> rows of claim 3 that need several architectures.

    The mechanism is common if accuracy and signal over noise rise in every network, at every output
    of its sub-blocks: mean and ends of the interval are the smallest of all, so that it lies above
    0 only if all of them do. Forms of one network count once, see `one_form_each`.
    """
    names = one_form_each(layers_by_experiment)
    tables = {name: layers_by_experiment[name] for name in names}
    rows = []
    for key, column, what in (
        ("accuracy", "accuracy", "accuracy"), ("snr", "signal_share", "signal over noise"),
    ):  # fmt: skip
        text = f"{what} rises along the blocks of every network"
        claim = Claim(f"3.unified.{key}", text, "layers", None, ">", 0, outputs_read)
        unread = [n for n in names if not _readable(tables[n])]
        if unread:
            claim = _with_text(claim, f"not read in more than one block: {', '.join(unread)}")
            rows.append(row(claim, 0, None))
            continue
        rises = {
            f"{name}, {PART_NAMES[part]}": rise(part, column)(layers)
            for name, layers in tables.items()
            for part in sorted(set(statistics.outputs(layers).part))
        }
        ends = {place: interval(values) for place, values in rises.items()}
        claim = _with_text(claim, f"weakest: {_weakest(ends, claim.bound)}")
        seeds = min(int(np.isfinite(values).sum()) for values in rises.values())
        rows.append(row(claim, seeds, np.min(list(ends.values()), axis=0)))
    return pd.DataFrame(rows)


def _readable(layers):
    return outputs_read(layers) and layers.block.nunique() > 1


def _weakest(ends, bound):
    """The place, of {place: (mean, low, high)}, that refutes the claim most, else is most open."""
    mean, low, high = range(3)
    end = high if any(each[high] < bound for each in ends.values()) else low
    return min(ends, key=lambda place: (ends[place][end], ends[place][mean], place))


def _with_text(claim, remark):
    return replace(claim, text=f"{claim.text} ({remark})")
