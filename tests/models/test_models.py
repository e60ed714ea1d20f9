"""Models against the published numbers and an independent implementation."""

import os
from itertools import combinations
from pathlib import Path

import pytest
import torch
from nodal import models, sweep
from nodal.errors import NodalError
from nodal.taps import capture

BESIDE = Path(__file__).parents[3].glob("*/data/official_cct_2_3x2_32.pt")
OFFICIAL = Path(os.environ.get("NODAL_OFFICIAL_CCT") or next(BESIDE, "official_cct_2_3x2_32.pt"))


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("config", "n_classes", "shape", "expected"),
    [
        ({"name": "cct_7/3x1"}, 100, (3, 32, 32), 3_783_269),
        ({"name": "cct_7/7x2", "positions": "sine"}, 102, (3, 224, 224), 4_573_735),
    ],
)
def test_parameter_counts_are_the_published_ones(config, n_classes, shape, expected):
    assert parameters(models.build(config, n_classes, shape)) == expected


def test_positions_of_the_published_networks_are_learned():
    for name, size in (("cct_7/3x1", 32), ("cct_7/7x2", 224)):
        learned = dict(models.build({"name": name}, 10, (3, size, size)).named_parameters())
        assert any("position" in key and value.requires_grad for key, value in learned.items())
    fixed = models.build({"name": "cct_7/7x2", "positions": "sine"}, 10, (3, 224, 224))
    held = [value for key, value in fixed.named_parameters() if "position" in key]
    assert not any(value.requires_grad for value in held)


@pytest.mark.parametrize(
    "config",
    [
        {"name": "cct", "width": 24, "depth": 2, "heads": 2, "mlp_ratio": 2},
        {"name": "cct", "width": 24, "depth": 2, "heads": 2, "mlp_ratio": 0.5},
        {"name": "vgg11", "width": 4},
        {"name": "vgg11", "width": 4, "stages": [1, 2]},
        {"name": "resnet18", "width": 4},
    ],
)
def test_a_plan_knows_the_nodes_of_the_widest_tap(config):
    model = models.build(config, 5, (3, 16, 16)).eval()
    described = models.describe(config)
    taps = [f"block{b}.{site}" for b, block in enumerate(described.layout) for site in block]
    with torch.no_grad(), capture(model, taps) as captured:
        model(torch.randn(1, 3, 16, 16))
    assert described.nodes == max(tokens.shape[-1] for tokens in captured.values())


@pytest.mark.skipif(not OFFICIAL.exists(), reason="needs the published weights, NODAL_OFFICIAL_CCT")
def test_published_weights_give_the_published_logits(tmp_path):
    content = torch.load(OFFICIAL, weights_only=True)
    torch.save(content["state_dict"], tmp_path / "published.pt")
    model = models.load_published_cct(tmp_path / "published.pt")
    with torch.no_grad():
        logits = model(content["input"])
    assert (logits - content["logits"]).abs().max() < 1e-5


@pytest.mark.parametrize("layers", [1, 2])
def test_logits_equal_an_independent_implementation(layers):
    from vit_pytorch.cct import CCT

    torch.manual_seed(0)
    config = {"name": "cct", "width": 32, "depth": 3, "heads": 4, "mlp_ratio": 2,
              "conv_layers": layers}  # fmt: skip
    ours = models.build(config, 10, (3, 16, 16)).eval()
    theirs = CCT(
        img_size=(16, 16), embedding_dim=32, n_conv_layers=layers, kernel_size=3, stride=1,
        padding=1, pooling_kernel_size=3, pooling_stride=2, pooling_padding=1, num_layers=3,
        num_heads=4, mlp_ratio=2, num_classes=10, positional_embedding="learnable",
    ).eval()  # fmt: skip
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=2e-6, rtol=1e-5)


def test_attention_dropout_is_dropout_of_the_attention_weights(monkeypatch):
    from nodal.models import cct

    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 16, 8)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(cct.attention(q, k, v, 0.0), expected)
    mean = torch.stack([cct.attention(q, k, v, 0.3) for _ in range(3000)]).mean(0)
    torch.testing.assert_close(mean, expected, atol=0.05, rtol=0)
    mask = torch.rand(2, 4, 16, 16) < 0.5
    monkeypatch.setattr(cct, "kept", lambda shape, rate: mask)
    weights = (q @ k.transpose(2, 3) / 8**0.5).softmax(3)
    dropped = torch.where(mask, weights / 0.5, 0.0) @ v
    torch.testing.assert_close(cct.attention(q, k, v, 0.5), dropped)


@pytest.mark.parametrize(
    ("dtype", "learns", "rate", "slow"),
    [
        (torch.float32, True, 0.0, False),
        (torch.float32, True, 0.1, True),
        (torch.bfloat16, True, 0.0, True),
        (torch.bfloat16, False, 0.0, False),
    ],
)
def test_attention_is_fused_where_that_is_fast(dtype, learns, rate, slow):
    from nodal.models.cct import fused_is_slow

    assert fused_is_slow(torch.zeros(1, 1, 2, 4, dtype=dtype, requires_grad=learns), rate) == slow


def test_gradients_in_bf16_are_as_near_to_those_in_fp32_as_fused_attention_has_them(monkeypatch):
    from nodal.models import cct

    torch.manual_seed(0)
    config = {"name": "cct", "width": 32, "depth": 2, "heads": 4, "attention_dropout": 0}
    model = models.build(config, 10, (3, 16, 16)).train()
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)

    def gradients(bf16):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(images)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    exact, plain = gradients(bf16=False), gradients(bf16=True)
    monkeypatch.setattr(cct, "fused_is_slow", lambda q, rate: False)
    fused = gradients(bf16=True)
    assert not plain.equal(fused)
    assert (plain - exact).norm() < 2 * (fused - exact).norm()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_kept_elements_are_drawn_at_their_rate_and_apart(rate):
    from nodal.models.cct import kept

    torch.manual_seed(0)
    mask = kept((1001, 999), rate).double()
    assert mask.mean().item() == pytest.approx(1 - rate, abs=3e-3)
    flat = mask.flatten() - mask.mean()
    for lag in (1, 2, 3, 4, 5):  # four neighbours come from one draw
        assert abs((flat[lag:] * flat[:-lag]).mean().item()) < 2e-3
    for lane in range(4):
        assert mask.flatten()[lane::4].mean().item() == pytest.approx(1 - rate, abs=5e-3)


def test_stochastic_depth_keeps_the_mean():
    from nodal.models.cct import DropPath

    torch.manual_seed(0)
    drop = DropPath(0.3).train()
    x = torch.ones(4000, 2, 3)
    out = drop(x)
    assert sorted(out.unique().tolist()) == pytest.approx([0, 1 / 0.7])
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert (out.amin((1, 2)) == out.amax((1, 2))).all(), "a branch is dropped for whole images"
    assert torch.equal(drop.eval()(x), x)


def test_stochastic_depth_rises_linearly():
    model = models.build({"name": "cct", "depth": 5, "stochastic_depth": 0.4}, 3, (1, 8, 8))
    rates = [block.drop_path.rate for block in model.classifier.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "cct_9"}, "no model 'cct_9'; did you mean"),
        ({"name": "cct", "width": 64, "heads": 5}, "5 heads do not divide the width 64"),
        ({"name": "vgg11", "heads": 4}, r"model\.heads: vgg11 has no such setting"),
    ],
)
def test_a_model_that_cannot_be_is_refused(config, message):
    with pytest.raises(NodalError, match=message):
        models.describe(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("classifier.norm.bias"), "classifier.norm.bias is missing"),
        (lambda s: s.update({"classifier.extra": torch.zeros(1)}), "classifier.extra is not"),
        (lambda s: s.update({"classifier.fc.bias": torch.zeros(3)}), r"fc.bias has shape \(3,\)"),
    ],
)
def test_wrong_weights_name_the_file_and_the_key(tmp_path, change, message):
    model = models.build({"name": "cct", "width": 128, "depth": 2, "heads": 2}, 5, (3, 32, 32))
    state = model.state_dict()
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(NodalError, match=message) as caught:
        models.load_published_cct(tmp_path / "weights.pt")
    assert "weights.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_and_pickled_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(NodalError, match="not a readable weights file"):
        models.load_published_cct(path)
    torch.save({"a": Path("x")}, path)
    with pytest.raises(NodalError, match="not a readable weights file"):
        models.load_published_cct(path)


def test_planning_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, nodal.pipeline.config, nodal.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("size", [8, 32, 33, 224])
@pytest.mark.parametrize("tokenizer", ["3x1", "7x2", "3x2"])
def test_token_side_is_the_models(size, tokenizer):
    config = {"name": f"cct_2/{tokenizer}", "width": 8}
    model = models.build(config, 2, (1, size, size))
    side = models.token_side(models.describe(config), size)
    assert model.classifier.positional_emb.shape[1] == side**2


@pytest.mark.parametrize(
    "config",
    [
        {"name": "cct", "width": 8, "depth": 2},
        {"name": "vgg11", "width": 4, "stages": [1, 1]},
        {"name": "vgg11", "width": 4, "stages": [1, 2, 3]},
        {"name": "resnet18", "width": 4, "units": [1, 1]},
        {"name": "resnet18", "width": 4, "units": [2, 1]},
        {"name": "resnet18", "width": 4},
    ],
)
def test_a_plan_knows_which_sites_a_scope_can_be_pruned_between(config):
    """By the edges of the built network, for one to three sites and every scope."""
    edges = models.build(config, 3, (1, 32, 32)).edges()
    described = models.describe(config)
    site = {e.name: [e.source, e.target or e.source] for e in edges}
    few = (some for n in (1, 2, 3) for some in combinations(described.sites, n))
    for read in few:
        known = [e for e in edges if {end.partition(".")[2] for end in site[e.name]} <= {*read}]
        for scope in ("all", "blocks", "classifier", *described.sites):
            found = bool(sweep.scopes([e for e in known if e.source], [scope]))
            assert models.prunable(described, list(read), [scope]) == found, (read, scope)


@pytest.mark.parametrize("name", ["cct_2", "text_cct_2"])
def test_an_encoder_is_judged_at_its_two_parts_and_its_output(name):
    described = models.describe({"name": name})
    assert described.outputs == {"MHA": "proj", "FF": "ff", "out": "out"}
    assert all(set(described.outputs.values()) <= set(block) for block in described.layout)
