"""Readouts against scikit-learn's optimum, and against their own from another start."""

import h5py
import numpy as np
import pytest
import torch
from nodal import readout, snp
from nodal.datasets.splits import stratified
from nodal.pipeline.config import load_schema
from sklearn.linear_model import LogisticRegression

SETTINGS = {"penalties": [1e-3, 1e-2], "holdout": 0.2, "tolerance": 1e-3, "max_iterations": 2000}


@pytest.fixture
def problem(random):
    labels = np.arange(600) % 4
    centres = random.normal(size=(4, 2, 6))
    activations = centres[labels] + 1.5 * random.normal(size=(600, 2, 6)) * random.random((2, 6))
    return torch.from_numpy(activations).float(), torch.from_numpy(labels)


def test_features_that_repeat_each_other_have_a_preconditioner_at_a_tiny_penalty(random):
    base = torch.from_numpy(random.normal(size=(400, 3)).astype(np.float32))
    same = (base @ torch.from_numpy(random.normal(size=(3, 24)).astype(np.float32)))[:, None]
    labels = torch.from_numpy(random.integers(4, size=400))
    scaled = readout.Problem(readout.Features(same), labels, 4)
    factor = scaled.preconditioner(torch.zeros(4, 24), 1e-12)
    assert torch.isfinite(factor).all()


def test_the_optimum_is_scikit_learns(problem):
    activations, labels = problem
    penalty = 0.01
    scaled = readout.Problem(readout.Features(activations), labels, 4)
    found = readout.minimise(scaled, penalty, 1e-3, 2000)
    assert found.distance <= 1e-3
    # scikit-learn: C * sum CE + ||w||^2 / 2
    reference = LogisticRegression(C=1 / (600 * penalty), fit_intercept=False, tol=1e-9,
                                   max_iter=10000)  # fmt: skip
    unit = activations.reshape(600, -1).double() / scaled.scale
    reference.fit(unit.numpy(), labels.numpy())
    difference = np.linalg.norm(found.weights.numpy() - reference.coef_)
    assert difference <= found.distance * np.linalg.norm(reference.coef_), "the bound holds"


def test_the_gradient_is_that_of_autograd(problem):
    activations, labels = problem
    scaled = readout.Problem(readout.Features(activations), labels, 4)
    weights = torch.randn(4, 12, requires_grad=True)
    share = torch.rand(600)
    unit = activations.reshape(600, -1) / scaled.scale
    each = torch.nn.functional.cross_entropy(unit @ weights.T, labels, reduction="none")
    value = (each * share).sum() + 0.05 * weights.square().sum()
    value.backward()
    scaled.share = share
    found, gradient = scaled.objective(weights.detach(), 0.1)
    torch.testing.assert_close(found.float(), value.detach())
    torch.testing.assert_close(gradient, weights.grad)


@pytest.mark.parametrize("most", [1, 13, 23])
def test_no_more_steps_are_made_than_asked_for(problem, monkeypatch, most):
    activations, labels = problem
    scaled = readout.Problem(readout.Features(activations), labels, 4)
    made, optimizer = [], readout.LBFGS

    def recorded(*arguments, **options):
        made.append(optimizer(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(readout, "LBFGS", recorded)
    found = readout.minimise(scaled, 1e-3, 0.0, most)
    steps = [next(iter(one.state.values()))["n_iter"] for one in made]
    assert found.iterations == most == sum(steps)
    assert found.distance < np.inf


@pytest.mark.parametrize("penalty", [1e-5, 1e-3])
@pytest.mark.parametrize("noise", [0.3, 1.5], ids=["separable", "overlapping"])
def test_two_starts_give_the_same_snp_matrices(random, penalty, noise):
    """At the default tolerance, from zero and from far away; separable labels are the hard case."""
    default = load_schema()["$defs"]["readout"]["properties"]
    tolerance, steps = (default[k]["default"] for k in ("tolerance", "max_iterations"))
    labels = torch.arange(600) % 4
    centres = random.normal(size=(4, 2, 20))
    activations = centres[labels] + noise * random.normal(size=(600, 2, 20))
    activations = torch.from_numpy(activations).float()
    scaled = readout.Problem(readout.Features(activations), labels, 4)
    means = snp.class_means(activations, labels, 4)
    matrices = []
    for start in (None, torch.randn(4, 40, generator=torch.Generator().manual_seed(1))):
        found = readout.minimise(scaled, penalty, tolerance, steps, start)
        assert found.distance <= tolerance
        weights = (found.weights / scaled.scale).reshape(4, 2, 20)
        matrices.append(snp.snp_matrices(means, weights))
    for one, other in zip(*matrices, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] >= 0.99


def test_dead_nodes_get_no_weight(problem):
    activations, labels = problem
    activations[:, :, 2] = 0
    result = readout.fit(activations, labels, activations, labels, 4, SETTINGS)
    assert (result.weights[:, :, 2] == 0).all()
    assert np.isfinite(result.weights).all()


def test_a_dead_tap_is_at_its_optimum(problem):
    activations, labels = problem
    dead = np.zeros_like(activations)
    result = readout.fit(dead, labels, dead, labels, 4, SETTINGS)
    assert not result.weights.any()
    assert (result.distance, result.gradient_norm) == (0, 0)


def test_penalty_is_chosen_on_held_out_images(random):
    """Pure noise is best met by the strongest penalty, clean signal by the weakest."""
    labels = torch.arange(200) % 4
    noise = torch.from_numpy(random.normal(size=(200, 50))).float()
    settings = {**SETTINGS, "penalties": [1e-4, 10.0]}
    assert readout.choose_penalty(readout.Features(noise), labels, 4, settings).penalty == 10.0
    signal = 5 * torch.nn.functional.one_hot(labels, 4).float() + 0.01 * noise[:, :4]
    assert readout.choose_penalty(readout.Features(signal), labels, 4, settings).penalty == 1e-4


def test_a_tap_too_large_for_memory_is_streamed_to_the_same_readout(problem, tmp_path, monkeypatch):
    activations, labels = problem
    exact = {**SETTINGS, "tolerance": 1e-4}
    whole = readout.fit(activations, labels, activations, labels, 4, exact)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = activations.numpy()
        monkeypatch.setattr(readout, "IN_MEMORY", 0)
        monkeypatch.setattr(readout, "CHUNK", {"cpu": 61 * 4 * 12})
        streamed = readout.fit(file["a"], labels, file["a"], labels, 4, exact)
    np.testing.assert_allclose(streamed.weights, whole.weights, rtol=1e-3, atol=1e-4)
    assert streamed.accuracy == whole.accuracy
    assert streamed.penalty == whole.penalty


def test_the_preconditioner_is_the_hessian_at_zero(problem):
    """Along a single label the Hessian at W = 0 is (1 - 1/C) / C times the Gram matrix."""
    activations, labels = problem
    scaled = readout.Problem(readout.Features(activations), labels, 4)
    step = torch.zeros(4, 12)
    step[1] = 1e-3 * torch.randn(12)
    change = scaled.objective(step, 0.1)[1] - scaled.objective(0 * step, 0.1)[1]
    lower = scaled.preconditioner(0 * step, 0.1)
    expected = step[1].double() @ lower @ lower.T
    torch.testing.assert_close(change[1].double(), expected, rtol=1e-2, atol=1e-6)


def test_holdout_has_its_share_of_every_label():
    labels = np.repeat(np.arange(5), [100, 50, 10, 4, 2])
    held = stratified(labels, 0.2)
    assert [int(held[labels == c].sum()) for c in range(5)] == [20, 10, 2, 1, 1]


def test_accuracy_restricted_to_a_head_uses_its_nodes_only(problem):
    activations, labels = problem
    result = readout.fit(activations, labels, activations, labels, 4, SETTINGS, n_heads=3)
    weights = torch.from_numpy(result.weights)
    for h in range(3):
        masked = torch.zeros_like(activations)
        masked[..., 2 * h : 2 * h + 2] = activations[..., 2 * h : 2 * h + 2]
        right = torch.einsum("brn,jrn->bj", masked, weights).argmax(1) == labels
        for c in range(4):
            expected = right[labels == c].float().mean()
            assert result.head_accuracy[h, c] == pytest.approx(expected.item(), abs=0.01)
    right = torch.einsum("brn,jrn->bj", activations, weights).argmax(1) == labels
    assert result.accuracy["test"] == pytest.approx(right.float().mean().item())


def test_auc_is_scikit_learns_and_blind_to_constants(random):
    from sklearn.metrics import roc_auc_score

    scores = random.integers(0, 6, (200, 4)) + np.float32(0.5)
    labels = random.integers(0, 4, 200)
    found = readout.auc(torch.from_numpy(scores), torch.from_numpy(labels))
    expected = [roc_auc_score(labels == c, scores[:, c]) for c in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    moved = torch.from_numpy(scores) + torch.tensor([3.0, -2, 0, 8])
    np.testing.assert_array_equal(readout.auc(moved, torch.from_numpy(labels)), found)


def test_auc_needs_images_of_both_kinds():
    areas = readout.auc(torch.zeros(3, 3), torch.tensor([0, 0, 2]))
    assert areas[0] == areas[2] == 0.5
    assert np.isnan(areas[1])
    assert np.isnan(readout.auc(torch.zeros(3, 2), torch.zeros(3, dtype=int))).all()


@pytest.mark.parametrize("in_memory", [2**29, 1])
def test_head_auc_silences_the_other_heads(random, in_memory, monkeypatch):
    from sklearn.metrics import roc_auc_score

    activations = random.normal(size=(60, 2, 6)).astype(np.float32)
    weights = random.normal(size=(4, 2, 6)).astype(np.float32)
    labels = np.arange(60) % 4
    monkeypatch.setattr(readout, "IN_MEMORY", in_memory)
    found = readout.head_auc(
        readout.Features(activations), torch.from_numpy(labels), torch.from_numpy(weights), 3
    )
    for h in range(3):
        alone = np.zeros_like(activations)
        alone[..., 2 * h : 2 * h + 2] = activations[..., 2 * h : 2 * h + 2]
        logits = np.einsum("nrd,crd->nc", alone, weights)
        for c in range(4):
            assert found[h, c] == pytest.approx(roc_auc_score(labels == c, logits[:, c]), abs=1e-6)


def test_a_query_is_kept_only_if_it_does_better_held_out():
    """Of two forms the one that tells the labels; of equals the last, the mean."""
    torch.manual_seed(0)
    labels = torch.arange(400) % 4
    good = torch.eye(4)[labels][:, None] + 0.3 * torch.randn(400, 1, 4)
    noise = torch.randn(400, 1, 4)
    for one, other, kept in (
        (good, noise, "sequence"),
        (noise, good, "mean"),
        (good, good, "mean"),
    ):
        forms = {"sequence": one, "mean": other}
        form, choices = readout.choose_form(forms, labels, 4, SETTINGS)
        assert form == kept
        assert choices[kept].loss <= min(c.loss for c in choices.values())
    assert choices["mean"].accuracy == choices["sequence"].accuracy > 0.9


def test_a_readout_says_how_it_was_found(problem):
    """Penalty, objective, gradient and shares, by their definitions."""
    activations, labels = problem
    labels = torch.where(labels == 3, 0, labels)
    settings = {**SETTINGS, "penalties": [0.02]}
    found = readout.fit(activations, labels, activations[:90], labels[:90], 4, settings)
    weights = torch.from_numpy(found.weights).requires_grad_()
    rms = activations.square().mean(0).sqrt()

    def objective(w):
        logits = torch.einsum("nrd,crd->nc", activations, w)
        fit = torch.nn.functional.cross_entropy(logits, labels)
        return fit + 0.01 * (w * rms).square().sum(), logits

    value, logits = objective(weights)
    value.backward()
    zero = torch.zeros_like(weights, requires_grad=True)
    objective(zero)[0].backward()
    ratio = (weights.grad / rms).norm() / (zero.grad / rms).norm()
    distance = (weights.grad / rms).norm() / (0.02 * (weights * rms).norm())
    assert found.penalty == 0.02
    assert found.objective == pytest.approx(value.item(), rel=1e-5)
    assert found.gradient_norm == pytest.approx(ratio.item(), rel=0.02)
    assert found.distance == pytest.approx(distance.item(), rel=0.02)
    assert found.distance <= 1e-3
    assert 0 < found.iterations <= 2000
    right = logits.argmax(1) == labels
    assert found.accuracy["train"] == pytest.approx(right.float().mean().item())
    assert found.accuracy["test"] == pytest.approx(right[:90].float().mean().item())
    expected = [right[:90][labels[:90] == c].float().mean().item() for c in range(3)]
    np.testing.assert_allclose(found.label_accuracy[:3], expected, rtol=1e-6)
    assert found.majority_share == pytest.approx((labels[:90] == 0).float().mean().item())
    assert found.head_accuracy is found.head_auc is None
