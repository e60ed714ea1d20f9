"""Pooling against its definition, token by token."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nodal import models, pooling, taps, training
from nodal.errors import NodalError

SETTINGS = {"sites": None, "epochs": 40, "steps": 0, "batch_size": 64, "rate": 0.05,
            "query_penalty": 0.01, "penalty": 1e-3}  # fmt: skip
FEW_INPUTS = {"epochs": 0, "steps": 30}


def test_sequence_pooling_is_its_definition():
    torch.manual_seed(0)
    tokens, query, scale = torch.randn(3, 5, 4), torch.randn(4), torch.rand(4) + 0.5
    valid = torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    found = pooling.sequence_pool(tokens, query, scale, valid)
    for b in range(3):
        kept = [tokens[b, t].double() for t in range(5) if valid[b, t]]
        raw = [np.exp(sum(float(query[n] * x[n] / scale[n]) for n in range(4))) for x in kept]
        expected = sum(w / sum(raw) * x for w, x in zip(raw, kept, strict=True))
        torch.testing.assert_close(found[b].double(), expected, atol=1e-6, rtol=1e-5)


def test_a_query_of_zeros_is_the_mean_over_valid_tokens():
    tokens, valid = torch.randn(2, 6, 3), torch.arange(6) < torch.tensor([[6], [4]])
    found = pooling.sequence_pool(tokens, torch.zeros(3), torch.ones(3), valid)
    torch.testing.assert_close(found[1], tokens[1, :4].mean(0))
    torch.testing.assert_close(found, pooling.mean_pool(tokens, valid))
    torch.testing.assert_close(pooling.mean_pool(tokens), tokens.mean(1))


def test_a_silent_feature_does_not_count():
    tokens = torch.randn(2, 6, 3)
    scale = torch.tensor([1.0, 0.0, 1.0])
    found = pooling.sequence_pool(tokens, torch.tensor([0.5, 1e9, 0.5]), scale)
    assert torch.isfinite(found).all()
    expected = pooling.sequence_pool(tokens, torch.tensor([0.5, 0.0, 0.5]), torch.ones(3))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("grid", "g"), [((4, 4), 2), ((7, 7), 2), ((4, 16), 2), ((5, 3), 2), ((2, 9), 4), ((3, 3), 9)]
)
def test_cells_are_those_of_the_map_and_do_not_overlap(grid, g):
    height, width = grid
    values = torch.randn(2, height * width, 3)
    pooled = pooling.grid_pool(taps.Tokens(values, grid), g)
    rows, columns = min(g, height), min(g, width)
    image, used = values.view(2, height, width, 3), torch.zeros(height, width)
    for i in range(rows):
        for j in range(columns):
            tall = slice(i * height // rows, (i + 1) * height // rows)
            wide = slice(j * width // columns, (j + 1) * width // columns)
            used[tall, wide] += 1
            expected = image[:, tall, wide].mean((1, 2))
            torch.testing.assert_close(pooled[:, i * columns + j], expected)
    assert (used == 1).all()


def test_class_tokens_have_no_place():
    values = torch.randn(2, 1 + 16, 3)
    pooled = pooling.grid_pool(taps.Tokens(values, (4, 4), prefix=1), 1)
    torch.testing.assert_close(pooled[:, 0], values[:, 1:].mean(1))


def test_a_line_is_cut_into_parts_of_its_valid_tokens():
    values = torch.randn(3, 7, 2)
    valid = torch.arange(7) < torch.tensor([7, 5, 2])[:, None]
    pooled = pooling.grid_pool(taps.Tokens(values, (7,), valid=valid), 3)
    for b, length in enumerate((7, 5, 2)):
        for r in range(3):
            first, end = r * length // 3, (r + 1) * length // 3
            expected = values[b, first : max(end, first + 1)].mean(0)
            torch.testing.assert_close(pooled[b, r], expected)
    assert pooling.grid_pool(taps.Tokens(values, (7,)), 3).shape == (3, 3, 2)


def test_tokens_without_places_are_refused_by_the_grid():
    with pytest.raises(NodalError, match=r"activations\.pool: grid needs to know"):
        pooling.grid_pool(taps.Tokens(torch.zeros(1, 15, 2)), 2)


@pytest.mark.parametrize(
    ("n_tokens", "image", "grid"),
    [(50, (224, 224), (7, 7)), (64, (32, 128), (4, 16)), (17, (8, 8), (4, 4)), (8, (8, 4), (4, 2))],
)
def test_the_grid_of_unknown_tokens_has_the_images_proportions(n_tokens, image, grid):
    assert taps.proportional(n_tokens, *image) == grid


def test_tokens_that_cannot_have_the_images_proportions_are_refused():
    with pytest.raises(NodalError, match=r"3 tokens do not fill a grid .* 8 x 32"):
        taps.proportional(3, 8, 32)


def test_a_learners_gradients_are_those_of_its_objective():
    torch.manual_seed(0)
    tokens, labels = torch.randn(6, 5, 4), torch.arange(6) % 3
    valid = torch.arange(5) < torch.tensor([5, 2, 1, 4, 5, 3])[:, None]
    learner = pooling.Learner(3, SETTINGS, torch.randn(4))
    learner.weights += torch.randn(3, 4)
    read = taps.Tokens(tokens, (5,), valid=valid)
    learner.measure(read)
    learner.learn(read, labels)

    def objective():
        pooled = pooling.sequence_pool(
            tokens.double(), learner.query.double(), learner.scale.double(), valid
        )
        value = F.cross_entropy(pooled / learner.scale @ learner.weights.double().T, labels)
        value += SETTINGS["query_penalty"] / 2 * learner.query.double().square().sum()
        return value + SETTINGS["penalty"] / 2 * learner.weights.double().square().sum()

    step = 1e-3
    for parameter in learner.parameters:
        for i in np.ndindex(*parameter.shape):
            parameter[i] += step
            above = objective()
            parameter[i] -= 2 * step
            slope = (above - objective()) / (2 * step)
            parameter[i] += step
            assert parameter.grad[i].item() == pytest.approx(slope.item(), abs=2e-4)


class OneToken(taps.Tapped):
    """Passes tokens through: what is planted in them is what its only tap holds."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Identity()

    def taps(self):
        return {"block0.out": taps.Tap(self.inner, "output", grid=(9,))}

    def valid(self, inputs):
        return inputs[..., 0] > -50

    def forward(self, x):
        return self.inner(x)


def planted(n=600, n_tokens=9, width=8, padding=0):
    """One token, at a random place, says by a mark that it counts and by its value the label; the
    others hold values of labels drawn anew, so that their mean says next to nothing.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 4
    shown = torch.randint(4, (n, n_tokens), generator=generator)
    place = torch.randint(n_tokens, (n,), generator=generator)
    shown[torch.arange(n), place] = labels
    tokens = torch.cat([torch.zeros(n, n_tokens, width - 4), F.one_hot(shown, 4).float()], 2)
    tokens[torch.arange(n), place, 0] = 3.0
    tokens += 0.1 * torch.randn(tokens.shape, generator=generator)
    tokens = F.pad(tokens, (0, 0, 0, padding), value=-100.0)
    reader = SimpleNamespace(prepare=lambda x: x)
    return training.Task(tokens, labels, tokens, labels, reader, 4)


def linear_accuracy(pooled, labels):
    targets = F.one_hot(labels).float()
    pooled = torch.cat([pooled, torch.ones(len(pooled), 1)], 1)
    return (
        (pooled @ torch.linalg.lstsq(pooled, targets).solution).argmax(1).eq(labels).float().mean()
    )


def learned(task, memory=2**29, start=0.0, **changes):
    learning = torch.arange(len(task.train_labels))
    found = pooling.learn(
        OneToken(), task, learning, {**SETTINGS, **changes}, "fp32", 0, start, memory
    )
    return found["block0.out"]


@pytest.mark.parametrize("way", [{}, FEW_INPUTS])
def test_a_label_told_by_one_token_is_found_by_its_query_and_lost_in_the_mean(way):
    task = planted()
    query, scale = learned(task, **way)
    assert linear_accuracy(task.test_inputs.mean(1), task.test_labels) < 0.7
    pooled = pooling.sequence_pool(task.test_inputs, query, scale)
    assert linear_accuracy(pooled, task.test_labels) > 0.97


@pytest.mark.parametrize("way", [{}, FEW_INPUTS])
def test_padding_changes_no_query(way):
    (query, scale), (other, its_scale) = (learned(planted(padding=p), **way) for p in (0, 5))
    torch.testing.assert_close(query, other, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(scale, its_scale, atol=1e-6, rtol=1e-5)


def test_steps_over_all_inputs_end_where_no_start_matters_and_the_objective_is_level():
    task, penalties = planted(padding=2), {"query_penalty": 0.1, "penalty": 1e-3}
    found = [learned(task, epochs=0, steps=80, start=s, **penalties) for s in (0.0, 0.5)]
    torch.testing.assert_close(found[0][0], found[1][0], atol=2e-3, rtol=0.0)
    query, scale = (part.double() for part in found[0])
    valid = OneToken().valid(task.train_inputs)
    weights = torch.zeros(4, 8, dtype=torch.float64, requires_grad=True)

    def objective(query):
        pooled = pooling.sequence_pool(task.train_inputs.double(), query, scale, valid) / scale
        value = F.cross_entropy(pooled @ weights.T, task.train_labels)
        return value + 0.05 * query.square().sum() + 5e-4 * weights.square().sum()

    layer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe",
                              tolerance_grad=1e-9, tolerance_change=0)  # fmt: skip

    def closure():
        layer.zero_grad()
        value = objective(query)
        value.backward()
        return value

    layer.step(closure)
    slopes = []
    for at in (torch.zeros_like(query), query):
        at = at.clone().requires_grad_()
        slopes.append(torch.autograd.grad(objective(at), at)[0].norm().item())
    assert slopes[1] < 1e-3 * slopes[0]


def test_where_there_is_one_token_no_query_has_a_slope_and_none_leaves_the_finite():
    task = planted(n_tokens=1)
    query, _ = learned(task, epochs=0, steps=6, query_penalty=1e-155, penalty=1e-155)
    torch.testing.assert_close(query, torch.zeros(8))


def test_taps_are_kept_as_many_at_a_time_as_fit():
    assert pooling._lots({"a": 3, "b": 3, "c": 4, "d": 2}, 6) == [["a", "b"], ["c", "d"]]


def test_tokens_that_do_not_fit_are_refused():
    with pytest.raises(NodalError, match=r"pooling\.steps: the tokens of block0\.out take"):
        learned(planted(), memory=1000, **FEW_INPUTS)


def test_both_forms_of_a_dump_are_their_definitions_with_and_without_padding():
    task = planted(n=20, padding=3)
    query, scale = torch.randn(8), torch.rand(8) + 0.5
    valid = OneToken().valid(task.test_inputs)
    forms = pooling.Sequence({"t": (query, scale)})
    found = forms("t", taps.Tokens(task.test_inputs, (12,), valid=valid))
    plain = task.test_inputs[:, :9]
    torch.testing.assert_close(found["mean"][:, 0], plain.mean(1))
    expected = pooling.sequence_pool(plain, query, scale)
    torch.testing.assert_close(found["sequence"][:, 0], expected, atol=1e-5, rtol=1e-4)
    unpadded = forms("t", taps.Tokens(plain, (9,)))
    torch.testing.assert_close(found["sequence"], unpadded["sequence"], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("inputs_at_once", [1, 7])
def test_what_is_pooled_in_the_cache_is_what_is_pooled_at_once(inputs_at_once, monkeypatch):
    task = planted(n=20, padding=3)
    valid = OneToken().valid(task.test_inputs)
    tokens = taps.Tokens(task.test_inputs, (12,), valid=valid)
    forms = pooling.Sequence({"t": (torch.randn(8), torch.ones(8))})
    learner = pooling.Learner(3, SETTINGS, torch.randn(8))
    learner.measure(tokens)
    labels = torch.arange(len(valid)) % 3

    def results():
        return [*forms("t", tokens).values(), *learner.slopes(tokens, labels)]

    expected = results()
    monkeypatch.setattr(pooling, "CACHED", inputs_at_once * task.test_inputs[0].numel())
    assert len(list(pooling.in_cache(tokens))) == -(-len(valid) // inputs_at_once)
    for one, other in zip(results(), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_a_scale_is_the_root_mean_square_of_a_few_tokens():
    values = torch.randn(1, 3, 4)
    learner = pooling.Learner(2, SETTINGS, torch.zeros(4))
    learner.measure(taps.Tokens(values, (3,)))
    torch.testing.assert_close(learner.scale, values[0].square().mean(0).sqrt())


def test_a_grid_pools_what_grid_pool_does():
    tokens = taps.Tokens(torch.randn(2, 16, 3), (4, 4))
    assert torch.equal(pooling.Grid(2)("t", tokens)["grid"], pooling.grid_pool(tokens, 2))


def test_a_random_start_is_the_seeds():
    task, learning = planted(), torch.arange(600)

    def started(seed):
        settings = {**SETTINGS, "epochs": 0, "steps": 0}
        found = pooling.learn(OneToken(), task, learning, settings, "fp32", seed, start=0.5)
        return found["block0.out"][0]

    assert torch.equal(started(1), started(1))
    assert not torch.equal(started(1), started(2))


@pytest.mark.parametrize("way", [{"epochs": 1}, {"epochs": 0, "steps": 2}])
def test_queries_are_learned_of_the_sites_that_are_asked_for(digits, way):
    _, dataset = digits
    config = {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1}
    model = models.build(config, dataset.n_classes, dataset.inputs)
    settings = {**SETTINGS, **way, "sites": ["ff", "block1.q"]}
    task = training.Task.from_dataset(dataset)
    found = pooling.learn(model, task, torch.arange(256), settings, "fp32", 0)
    assert list(found) == ["block0.ff", "block1.q", "block1.ff"]
