"""How often the rules call nothing something: every claim simulated where it is not true.

No network is trained: activations, or rows of accuracies, are made up, and go through the library
from class means to the verdict. Claims against zero are drawn under their null, claims against
another bound with their statistic planted at it; beside each stands the power for an effect.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from nodal import heads, readout, snp
from nodal.verdicts import claims, judge, tables

pytestmark = pytest.mark.end_to_end

DRAWS, POWER_DRAWS, SEEDS, MOST = 1000, 200, (3, 5), 5
LABELS, HEADS, NODES, PERMUTATIONS, THETA = 6, 3, 12, 60, 0.3
BROKEN_NODES, BROKEN_CONSTANT = 24, 0.3
COUNTS = (12, 8, 8, 8, 6, 6)  # images of each label: not all alike, so that chance is no 1 / C
IMAGES = np.repeat(np.arange(LABELS), COUNTS)
BY_ID = {claim.id: claim for claim in claims.CLAIMS}
FALSE_ALARMS, FALSE_P = 0.025, 0.05


def at_most(rate, n):
    """The rate and two of its standard errors in n draws."""
    return rate + 2 * np.sqrt(rate * (1 - rate) / n)


def supported(claim, values, n_seeds):
    """Share of draws with the verdict `supported`; values: (draws, MOST), a number per seed."""
    found = [
        judge.verdict(*judge.interval(own)[1:], claim.relation, claim.bound)
        for own in values[:, :n_seeds]
    ]
    return found.count("supported") / len(found)


def statistic(claim, table):
    """Values (draws, MOST) of a table in which each seed of each draw has a number of its own."""
    values = claim.statistic(table).sort_index().to_numpy()
    assert len(values) % MOST == 0
    return values.reshape(-1, MOST)


# Made-up activations: K networks, each with its own constant part, noise and knowledge of nodes.


def activations(random, n_networks, knowledge, constant=1.0):
    """Both splits (K, N, D): constant + noise + knowledge (K, LABELS, D) of the label."""
    n_nodes = knowledge.shape[2]
    shape = (n_networks, len(IMAGES), n_nodes)
    level = constant * random.normal(size=(n_networks, 1, n_nodes))
    return [
        (level + knowledge[:, IMAGES] + random.normal(size=shape)).astype(np.float32)
        for _ in ("train", "test")
    ]


def fitted(features, penalty=0.01, steps=40):
    """Bias-free softmax regression of each network, (K, N, D) -> (K, LABELS, D).

    Minimises a quadratic bound of the loss at each step (Boehning 1992), so that it never rises.
    """
    K, N, D = features.shape
    target = np.eye(LABELS, dtype=np.float32)[IMAGES]
    gram = features.swapaxes(1, 2) @ features / N
    inverse = np.linalg.inv(gram / 2 + penalty * np.eye(D, dtype=np.float32))
    weights = np.zeros((K, LABELS, D), np.float32)
    for _ in range(steps):
        logits = features @ weights.swapaxes(1, 2)
        p = np.exp(logits - logits.max(2, keepdims=True))
        p /= p.sum(2, keepdims=True)
        gradient = (p - target).swapaxes(1, 2) @ features / N + penalty * weights
        weights -= gradient @ inverse
    return weights


def class_means(features):
    """(K, N, D) -> (K, LABELS, D)."""
    mean = np.eye(LABELS, dtype=np.float32)[IMAGES].T / np.array(COUNTS, np.float32)[:, None]
    return mean @ features


def fields(features, weights):
    """The field of each network's tap at R = 1."""
    for means, own in zip(class_means(features), weights, strict=True):
        yield snp.field(means[:, None], own[:, None])


def tap_rows(random, knowledge, block, constant=1.0, n_null=4):
    """Rows of a layer table, one per network, for every part that a claim may ask for."""
    train, test = activations(random, len(knowledge), knowledge, constant)
    weights = fitted(train)
    right = (test @ weights.swapaxes(1, 2)).argmax(2) == IMAGES
    rows = []
    for seed, (field, accuracy) in enumerate(
        zip(fields(test, weights), right.mean(1), strict=True)
    ):
        columns, _, null = snp.describe(field, THETA, n_null, seed)
        row = {"seed": seed, "block": block, "n_labels": LABELS, "headline": True}
        row |= {"accuracy": accuracy, **snp.tap_report(columns)}
        for name in ("clusters", "cluster_size", "signal_share", "no_cluster_share"):
            row[f"{name}_null"] = np.nanmean([one[name] for one in null])
        rows.append(row)
    return rows


def of_parts(rows, parts):
    return pd.concat([pd.DataFrame(rows).assign(part=part) for part in parts])


def knowing(random, n_networks, strength):
    """Each node knows two labels: (K, LABELS, NODES)."""
    known = random.random((n_networks, LABELS, NODES)).argsort(1) < 2
    return strength * known


ENCODER = ("MHA", "FF", "out")


@cache
def layers(case):
    """Layer tables of two blocks.

    ignorant: no node knows a label, and the blocks differ in their constant parts. level: both know
    alike. rising: the last block knows more.
    """
    random = np.random.default_rng(1)
    n_draws = POWER_DRAWS if case == "rising" else DRAWS
    first, last = {"ignorant": (0, 0), "level": (1, 1), "rising": (0.5, 2)}[case]
    levels = (2.0, 0.3) if case == "ignorant" else (1.0, 1.0)
    rows = []
    for block, (strength, level) in enumerate(zip((first, last), levels, strict=True)):
        known = knowing(random, n_draws * MOST, strength)
        rows += tap_rows(random, known, block, level, n_null=1 if case == "level" else 4)
    return pd.DataFrame(rows)


def layer_table(case, claim):
    return of_parts(layers(case), ["stage"] if claim.startswith("3.") else ENCODER)


# Made-up heads: what their nodes know, and what silencing them costs.


def heads_of_block(field_train, field_test, test, weights, drop, seed):
    """Block-level statistics of one network, by way of the library."""
    import torch

    labels, rows = torch.from_numpy(IMAGES), torch.from_numpy(test[:, None])
    restricted = readout.head_auc(
        readout.Features(rows), labels, torch.from_numpy(weights[:, None]), HEADS
    )
    diagonals = {
        "train": snp.diagonals(field_train, THETA), "test": snp.diagonals(field_test, THETA),
    }  # fmt: skip
    measured = {"restricted_auc": restricted, "drop_auc": drop(diagonals["train"])}
    return heads.block_statistics(
        field_test.matrices(), diagonals, "test", measured, THETA, PERMUTATIONS, seed
    )


@cache
def head_table(case):
    """Heads of one block, or of two.

    ignorant: no node knows a label, silencing costs what levels of heads and labels say. broken:
    the nodes of a head know the same two labels, and silencing it costs them.
    """
    random = np.random.default_rng(2)
    ignorant = case == "ignorant"
    n_networks = (DRAWS if ignorant else POWER_DRAWS) * MOST
    n_nodes, constant = (NODES, 1.0) if ignorant else (BROKEN_NODES, BROKEN_CONSTANT)
    own = np.arange(LABELS)[:, None] // (LABELS // HEADS) == np.arange(n_nodes) // (
        n_nodes // HEADS
    )
    strength = 0 if ignorant else 2.0
    rows = []
    for block in range(1 if ignorant else 2):
        knowledge = np.broadcast_to(strength * own, (n_networks, LABELS, n_nodes))
        train, test = activations(random, n_networks, knowledge, constant)
        weights = fitted(train)
        noise = random.normal(size=(n_networks, HEADS, LABELS))
        levels = 2 * random.normal(size=(n_networks, HEADS, 1))
        levels = levels + 2 * random.normal(size=(n_networks, 1, LABELS))
        networks = zip(fields(train, weights), fields(test, weights), test, weights, strict=True)
        for seed, (field_train, field_test, one, w) in enumerate(networks):

            def drop(diagonal, seed=seed, noise=noise, levels=levels):
                share = np.nan_to_num(heads.label_shares(heads.label_counts(diagonal, HEADS)))
                return levels[seed] + noise[seed] + 3 * strength * share

            found = heads_of_block(field_train, field_test, one, w, drop, 7 * seed + block)
            rows.append({"seed": seed, "block": block, "head": 0, **found})
    return pd.DataFrame(rows)


# Made-up accuracies of pruned networks.


@cache
def pruning_table(lead, free=0.5):
    """Accuracies on 10,000 images; every method has one course, falling at a dilution near `free`.

    lead: what ANDC has before the controls, in accuracy.
    """
    random = np.random.default_rng(3)
    n_networks = DRAWS * MOST
    targets = np.array([0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9])
    falls = free + 0.08 * random.normal(size=n_networks)
    base = 0.95 + 0.01 * random.normal(size=n_networks)
    frames = []
    for method in ("andc", *claims.CONTROLS):
        beyond = np.maximum(0, targets - falls[:, None])
        p = np.clip(base[:, None] - 0.5 * beyond - lead * (method != "andc"), 0.02, 0.99)
        hits = random.binomial(10_000, p) / 10_000
        hits[:, 0] = base
        frames.append(pd.DataFrame({
            "seed": np.repeat(np.arange(n_networks), len(targets)), "method": method,
            "scope": "all", "target": np.tile(targets, n_networks),
            "threshold": np.tile(targets, n_networks), "dilution": np.tile(targets, n_networks),
            "accuracy_dense": np.repeat(base, len(targets)), "accuracy_tuned": hits.ravel(),
            "accuracy_pruned": hits.ravel(), "margin": 0.5, "n_matrices": 1, "n_weights": 1,
            "coincides": np.nan,
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


# Under the null.


def null_table(claim):
    """A table in which what the claim says is not so, or lies at its bound."""
    if claim.source == "pruning":
        return pruning_table(0.0)
    if claim.source == "heads":
        return head_table("ignorant")
    ignorant = claim.id.endswith("null")
    return layer_table("ignorant" if ignorant else "level", claim.id)


def known_miss(claim, reasons):
    mark = pytest.mark.xfail(reason=reasons.get(claim), strict=True)
    return pytest.param(claim, marks=mark) if claim in reasons else claim


AGAINST_ZERO = [c.id for c in claims.CLAIMS if c.bound == 0 and c.id != "5.blocks"]
AGAINST_BOUND = [c.id for c in claims.CLAIMS if c.bound != 0] + ["5.blocks"]


@pytest.mark.parametrize("claim", AGAINST_ZERO)
def test_a_claim_against_zero_is_seldom_supported_under_its_null(claim, record_property):
    values = statistic(BY_ID[claim], null_table(BY_ID[claim]))
    assert len(values) == DRAWS
    for n_seeds in SEEDS:
        rate = supported(BY_ID[claim], values, n_seeds)
        record_property(f"null, {n_seeds} seeds", float(rate))
        assert rate <= at_most(FALSE_ALARMS, DRAWS), (n_seeds, rate)


@cache
def recognition(few=0.25, recognise=0.5):
    """Nodes' clusters made up around the bounds: 40 labels, 64 nodes, seeds that differ."""
    random = np.random.default_rng(4)
    n_networks, n_labels, n_nodes = DRAWS * MOST, 40, 64
    own = 0.03 * random.normal(size=(n_networks, 2))
    recognised = random.binomial(n_nodes, recognise + own[:, 0]) / n_nodes
    p = np.clip((few * n_labels - 1) / (n_labels - 1) + own[:, 1], 0.01, 1)
    sizes = 1 + random.binomial(n_labels - 1, p[:, None], (n_networks, n_nodes)).mean(1)
    columns = {"seed": np.arange(n_networks), "block": 0, "headline": True, "n_labels": n_labels}
    columns |= {"no_cluster_share": 1 - recognised, "clusters": sizes, "cluster_size": sizes}
    return of_parts(columns, ("MHA", "FF"))


def bound_table(claim):
    if claim == "5.blocks":
        return head_table("broken")
    return pruning_table(0.0) if claim == "4.dilution" else recognition()


LENIENT = {  # docs/claims.md says so
    "4.dilution": "interpolated between few targets, free dilutions heap up behind each of them",
}


@pytest.mark.parametrize("claim", [known_miss(claim, LENIENT) for claim in AGAINST_BOUND])
def test_a_claim_at_its_bound_is_seldom_supported(claim, record_property):
    """The statistic is moved so that its mean over all draws is the bound itself."""
    judged = BY_ID[claim]
    values = statistic(judged, bound_table(claim))
    values = values - values.mean() + judged.bound
    for n_seeds in SEEDS:
        rate = supported(judged, values, n_seeds)
        record_property(f"at the bound, {n_seeds} seeds", float(rate))
        assert rate <= at_most(FALSE_ALARMS, len(values)), (n_seeds, rate)


@pytest.mark.parametrize("name", ["Q", "restricted", "drop", "rho", "cooperation"])
def test_p_of_the_heads_is_seldom_small_by_chance(name, record_property):
    p = head_table("ignorant")[f"p_{name}"]
    rate = (p < 0.05).mean()
    record_property("p < 0.05", float(rate))
    assert p.notna().all()
    assert rate <= at_most(FALSE_P, len(p))


def test_p_of_a_readout_that_knows_nothing_is_seldom_small(record_property):
    accuracy = layers("ignorant").accuracy
    p = np.array([tables.chance(a, len(IMAGES), max(COUNTS) / len(IMAGES)) for a in accuracy])
    rate = (p < 0.05).mean()
    record_property("p < 0.05", float(rate))
    assert rate <= at_most(FALSE_P, len(p))


def draws(table, n_seeds):
    """Of each draw a table of its first seeds."""
    rows = table[table.seed % MOST < n_seeds]
    return [own for _, own in rows.groupby(rows.seed // MOST)]


def test_unified_is_seldom_supported_where_one_network_has_no_rise(record_property):
    """The others rise much and with certainty; only one, or none, does not."""
    level = of_parts(layers("level"), ("stage",)).assign(network="flat")
    for others in ("rising", "level"):
        rising = of_parts(layers(others), ("MHA", "FF")).assign(network="risen")
        for n in SEEDS:
            flat, risen = draws(level, n), draws(rising, n)
            found = [
                claims.unified({"flat": flat[draw], "risen": risen[draw % len(risen)]})
                for draw in range(DRAWS)
            ]
            verdicts = [table.set_index("claim").verdict == "supported" for table in found]
            rates = pd.DataFrame(verdicts).mean()
            record_property(f"null beside {others}, {n} seeds", rates.to_dict())
            assert set(rates.index) == {"3.unified.accuracy", "3.unified.snr"}
            assert (rates <= at_most(FALSE_ALARMS, DRAWS)).all(), (others, n)


# And where it is true.


WEAK = {  # claims whose planted effect is found too seldom; docs/claims.md says so
    "1.few.null": "permuted labels leave a node of two labels nearly as many clusters",
}
# At least this share of planted effects, as docs/claims.md says. Heads and the free dilution, whose
# seeds differ most, are asked for the conventional power.
POWER = {"5.": 0.8, "4.dilution": 0.8}


@pytest.mark.parametrize("claim", [known_miss(claim, WEAK) for claim in BY_ID])
def test_a_planted_effect_is_found(claim, record_property):
    judged = BY_ID[claim]
    if judged.source == "pruning":
        table = pruning_table(0.02, free=0.8)
    elif judged.source == "heads":
        table = head_table("broken")
    elif claim in ("1.recognise", "1.few", "1.small"):
        table = recognition(few=0.15, recognise=0.8)
    else:
        table = layer_table("rising", claim)
    rate = supported(judged, statistic(judged, table), MOST)
    record_property(f"power, {MOST} seeds", float(rate))
    assert rate >= POWER.get(claim, POWER.get(claim[:2], 0.9)), rate
