"""Taps against an encoder computed by hand from its weights."""

import pytest
import torch
import torch.nn.functional as F
from nodal import models, pooling, taps
from nodal.errors import NodalError

SITES = models.PARTS


@pytest.fixture
def cct():
    torch.manual_seed(0)
    config = {"name": "cct", "width": 12, "depth": 2, "heads": 3, "mlp_ratio": 2}
    return models.build(config, 5, (1, 8, 8)).eval()


def test_every_site_is_what_the_encoder_computes_there(cct):
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad(), taps.capture(cct) as captured:
        cct(images)
        x = cct.tokenizer(images) + cct.classifier.positional_emb
        for b, block in enumerate(cct.classifier.blocks):
            site = {s: captured[f"block{b}.{s}"] for s in SITES}
            attention = block.self_attn
            expected = {"input": block.pre_norm(x)}
            q, k, v = (expected["input"] @ attention.qkv.weight.T).split(12, dim=2)
            expected |= {"q": q, "k": k, "v": v}
            parts = []
            for h in range(3):
                s = slice(4 * h, 4 * h + 4)
                weight = F.softmax(q[..., s] @ k[..., s].transpose(1, 2) / 2.0, dim=-1)
                parts.append(weight @ v[..., s])
            expected["heads"] = torch.cat(parts, dim=2)
            expected["proj"] = attention.proj(expected["heads"])
            expected["mid"] = block.norm1(x + expected["proj"])
            expected["hidden"] = F.gelu(block.linear1(expected["mid"]))
            expected["ff"] = block.linear2(expected["hidden"])
            x = expected["out"] = expected["mid"] + expected["ff"]
            for name in SITES:
                torch.testing.assert_close(site[name], expected[name], atol=1e-5, rtol=1e-4)


def test_a_later_change_in_place_changes_nothing_that_was_captured():
    layers = [torch.nn.Conv2d(1, 3, 1), torch.nn.ReLU(inplace=True)]
    model = Changed(torch.nn.Sequential(*layers))
    images = torch.randn(4, 1, 2, 2)
    with torch.no_grad():
        expected = layers[0](images).flatten(2).transpose(1, 2)
        with taps.capture(model) as captured:
            model(images)
        assert torch.equal(captured["block0.out"], expected)
        with taps.capture(model, reduce=pooling.Grid(2)) as pooled:
            model(images)
        assert torch.equal(pooled["block0.out"]["grid"], expected)
    assert (expected < 0).any()


class Changed(taps.Tapped):
    """A convolution whose output the next layer changes in place."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def taps(self):
        return {"block0.out": taps.Tap(self.layers[0], "output")}

    def forward(self, images):
        return self.layers(images)


def test_what_is_measured_of_a_network_in_bf16_is_measured_in_fp32(cct):
    """Sums over tokens are products of matrices, which autocast would round to 8 bits."""
    generator = torch.Generator().manual_seed(0)
    queries = {"block1.out": (torch.randn(12, generator=generator), torch.ones(12))}
    seen = {}

    def reduce(tap, tokens):
        seen[tap] = tokens.values.clone()
        return pooling.Sequence(queries)(tap, tokens)

    with torch.no_grad(), taps.capture(cct, ["out"], reduce) as captured:
        queries["block0.out"] = queries["block1.out"]
        with torch.autocast("cpu", torch.bfloat16):
            cct(torch.randn(4, 1, 8, 8))
            still = torch.ones(2, 2) @ torch.ones(2, 2)
    x = seen["block1.out"].double()
    query = queries["block1.out"][0].double()
    weights = (x @ query).softmax(1)
    pooled = captured["block1.out"]
    assert pooled["sequence"].dtype == pooled["mean"].dtype == torch.float32
    torch.testing.assert_close(
        pooled["sequence"][:, 0].double(), (weights[:, :, None] * x).sum(1), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(pooled["mean"][:, 0].double(), x.mean(1), atol=1e-5, rtol=1e-5)
    assert still.dtype == torch.bfloat16, "the network goes on as it was"


def test_sites_select_taps_and_hooks_are_removed(cct):
    with taps.capture(cct, ["hidden", "block1.q"]) as captured:
        cct(torch.randn(2, 1, 8, 8))
    assert set(captured) == {"block0.hidden", "block1.hidden", "block1.q"}
    captured.clear()
    cct(torch.randn(2, 1, 8, 8))
    assert not captured


def test_an_unknown_site_names_the_closest(cct):
    with pytest.raises(NodalError, match=r"no site 'hiden'; did you mean 'hidden'"):
        taps.select(cct, ["hiden"])


@pytest.mark.parametrize("tap", ["block0.heads", "block1.k", "block0.out"])
def test_silenced_nodes_are_zero_within_the_block_only(cct, tap):
    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        plain = cct(images)
        with taps.silenced(cct, tap, [0, 5]), taps.capture(cct, [tap]) as captured:
            changed = cct(images)
        assert tap.endswith("out") or (captured[tap][..., [0, 5]] == 0).all()
        assert not torch.equal(plain, changed)
        assert torch.equal(cct(images), plain)


@pytest.mark.parametrize("tap", ["block0.heads", "block1.k"])
def test_silencing_leaves_the_other_nodes_of_the_tap_as_they_are(cct, tap):
    images, others = torch.randn(2, 1, 8, 8), [n for n in range(12) if n not in (3, 5)]
    with torch.no_grad():
        with taps.capture(cct, [tap]) as plain:
            cct(images)
        with taps.silenced(cct, tap, [3, 5]), taps.capture(cct, [tap]) as silenced:
            cct(images)
    assert torch.equal(silenced[tap][..., others], plain[tap][..., others])
    assert not silenced[tap][..., [3, 5]].any()
    assert plain[tap][..., [3, 5]].all()


def test_a_cnn_is_read_after_each_relu_and_after_each_stages_pooling():
    torch.manual_seed(0)
    settings = {"name": "vgg11", "width": 4, "stages": [1, 3]}
    model = models.build(settings, 5, (3, 8, 8)).eval()
    x, expected = torch.randn(4, 3, 8, 8), {}
    with torch.no_grad():
        with taps.capture(model) as captured:
            model(x)
        for b, stage in enumerate(model.stages):
            n_convolutions = 0
            for layer in stage:
                x = layer(x.clone())
                if isinstance(layer, torch.nn.ReLU):
                    n_convolutions += 1
                    expected[f"block{b}.conv{n_convolutions}"] = x
            del expected[f"block{b}.conv{n_convolutions}"]  # of which the pooling is the tap
            x = expected[f"block{b}.out"] = F.max_pool2d(x, 2)
    assert captured.keys() == expected.keys()
    for tap, maps in expected.items():
        torch.testing.assert_close(captured[tap], maps.flatten(2).transpose(1, 2))
        assert (maps >= 0).all()
    sides = [round(tokens.shape[1] ** 0.5) for tokens in captured.values()]
    assert sides == [4, 4, 4, 2]
    assert models.token_side(models.describe(settings), 8) == max(sides)


def test_silencing_all_heads_leaves_the_projections_bias(cct):
    images = torch.randn(2, 1, 8, 8)
    with (
        torch.no_grad(),
        taps.silenced(cct, "block0.heads", range(12)),
        taps.capture(cct, ["block0.proj"]) as captured,
    ):
        cct(images)
    bias = cct.classifier.blocks[0].self_attn.proj.bias
    torch.testing.assert_close(captured["block0.proj"], bias.expand(2, 16, 12))


@pytest.mark.parametrize("name", ["cct_2", "vgg11", "vgg16", "resnet18"])
def test_edges_join_taps_of_their_sizes(name):
    config = {"name": name, "width": 16}
    model = models.build(config, 7, (3, 16, 16)).eval()
    with torch.no_grad(), taps.capture(model) as captured:
        model(torch.randn(2, 3, 16, 16))
    size = {tap: tensor.shape[2] for tap, tensor in captured.items()}
    for edge in model.edges():
        out = size[edge.target] if edge.target else 7
        assert tuple(edge.weight.shape[:2]) == (out, size[edge.source]), edge.name
    assert len({edge.name for edge in model.edges()}) == len(model.edges())
    layout = models.describe(config).layout
    assert [tap for tap in model.taps()] == [
        f"block{b}.{site}" for b, block in enumerate(layout) for site in block
    ]


def test_every_convolution_of_a_cnn_but_the_first_can_be_pruned():
    for name in ("vgg11", "vgg16", "resnet18"):
        model = models.build({"name": name, "width": 8}, 7, (3, 16, 16))
        kernels = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
        reached = {id(edge.module) for edge in model.edges()}
        missing = [m for m in kernels if id(m) not in reached]
        from_pixels = 1 if name.startswith("vgg") else 2  # a ResNet's stem, and what reads it
        assert missing == kernels[:from_pixels], name


def test_silencing_what_an_edge_reads_is_pruning_its_columns():
    """Edges say truly what they join: filter 3 silenced, or its kernels to all readers zeroed."""
    torch.manual_seed(0)
    model = models.build({"name": "resnet18", "width": 8}, 7, (3, 16, 16)).eval()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        with taps.silenced(model, "block1.inner1", [3]):
            expected = model(images)
        (edge,) = [e for e in model.edges() if e.source == "block1.inner1"]
        edge.weight[:, 3] = 0
        torch.testing.assert_close(model(images), expected)


HEADS = [(f"block{b}.heads", range(4 * h, 4 * h + 4)) for b in range(2) for h in range(3)]


def test_groups_silenced_together_answer_as_each_alone(cct):
    images = torch.randn(4, 1, 8, 8)
    whole = dict(cct.named_modules())
    with torch.no_grad():
        together = taps.Silenced(cct, HEADS)(images)
        assert torch.equal(together[:, 0], cct(images))
        for answer, (tap, nodes) in zip(together.unbind(1)[1:], HEADS, strict=True):
            with taps.silenced(cct, tap, nodes):
                assert torch.equal(answer, cct(images))
    assert dict(cct.named_modules()) == whole
    assert not any("forward" in vars(module) or module._forward_hooks for module in whole.values())


def test_what_comes_before_the_silenced_is_computed_once(cct):
    calls = {"conv": 0, "block0": 0, "block1": 0}

    def count(name):
        return lambda *_: calls.__setitem__(name, calls[name] + 1)

    cct.tokenizer.conv_layers[0][0].register_forward_hook(count("conv"))
    cct.classifier.blocks[0].linear1.register_forward_hook(count("block0"))
    cct.classifier.blocks[1].linear1.register_forward_hook(count("block1"))
    with torch.no_grad():
        taps.Silenced(cct, HEADS)(torch.randn(2, 1, 8, 8))
    assert calls == {"conv": 1, "block0": 1 + 3, "block1": 1 + 6}


def test_of_what_is_done_before_a_tap_the_outermost_modules_are_kept(cct):
    with torch.no_grad(), taps.recorded(cct, ["block1.heads"]) as before:
        cct(torch.randn(2, 1, 8, 8))
    first, second = cct.classifier.blocks
    expected = [cct.tokenizer, cct.classifier.dropout, first]
    assert list(before["block1.heads"]) == [*expected, second.pre_norm, second.self_attn.qkv]


class Reused(taps.Tapped):
    """One module before and after the tap, and one that changes its input in place."""

    def __init__(self):
        super().__init__()
        self.first, self.shared, self.last = (torch.nn.Linear(6, 6) for _ in range(3))

    def taps(self):
        return {"block0.heads": taps.Tap(self.last, "input")}

    def forward(self, x):
        x = self.shared(self.first(x).add_(1)).mul_(2)
        return self.shared(self.last(x))


def test_a_module_that_is_called_again_or_whose_output_changes_in_place_is_safe():
    torch.manual_seed(0)
    model, inputs = Reused(), torch.randn(3, 6)
    groups = [("block0.heads", [0, 1]), ("block0.heads", [2])]
    with torch.no_grad():
        together = taps.Silenced(model, groups)(inputs)
        for answer, (tap, nodes) in zip(together.unbind(1)[1:], groups, strict=True):
            with taps.silenced(model, tap, nodes):
                assert torch.equal(answer, model(inputs))
        with taps.recorded(model, ["block0.heads"]) as before:
            model(inputs)
    assert list(before["block0.heads"]) == [model.first]
