"""Networks of timm and torchvision by name: read, measured, and refused with a reason."""

from types import SimpleNamespace

import pytest
import torch
from nodal import models, taps, training
from nodal.errors import NodalError
from nodal.models import external
from nodal.pipeline import config
from nodal.taps import capture

RESNET = {"source": "torchvision", "name": "resnet18", "taps": ["layer1", "layer3.0.conv1"]}
VIT = {"source": "timm", "name": "vit_tiny_patch16_224"}


def test_named_modules_are_the_blocks():
    described = models.describe(RESNET)
    assert described.blocks == 2
    assert described.heads is None
    assert not described.edges
    model = models.build(RESNET, 5, (3, 64, 64)).eval()
    outputs = {}
    model.network.layer1.register_forward_hook(lambda _, __, out: outputs.update(a=out))
    with torch.no_grad(), taps.capture(model) as captured:
        assert model(torch.randn(2, 3, 64, 64)).shape == (2, 5)
    expected = outputs["a"].flatten(2).transpose(1, 2)
    torch.testing.assert_close(captured["block0.out"], expected)
    assert set(captured) == {"block0.out", "block1.out"}


def test_a_class_token_is_no_position():
    settings = {
        "source": "torchvision",
        "name": "vit_b_32",
        "taps": ["encoder.layers.encoder_layer_0"],
    }
    with torch.device("meta"):
        model = models.build(settings, 5, (3, 224, 224))
    tokens = torch.randn(2, 50, 768)
    read = model.taps()["block0.out"].read(tokens)
    assert torch.equal(read.values, tokens), "a class token takes part in sequence pooling"
    assert (read.grid, read.prefix) == ((7, 7), 1), "but has no place"
    assert model.taps()["block0.out"].read(torch.randn(2, 8)).values.shape == (2, 1, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**RESNET, "taps": ["layer11"]}, "model.taps: no module 'layer11'; did you mean 'layer1"),
        ({**RESNET, "taps": None}, "model.taps: resnet18 needs names of modules to read, for ins"),
        ({**RESNET, "name": "resnet81"}, "torchvision has no 'resnet81'; did you mean 'resnet18'"),
        ({**RESNET, "name": "fcn_resnet50"}, "torchvision has no classifier 'fcn_resnet50'; did"),
        ({**RESNET, "name": "ssd300_vgg16"}, "torchvision has no classifier 'ssd300_vgg16'"),
        ({**RESNET, "name": "raft_small"}, "torchvision has no classifier 'raft_small'"),
        ({**RESNET, "width": 3}, "model.width: a model of torchvision has no such setting"),
    ],
)
def test_what_cannot_be_read_is_refused(settings, message):
    with pytest.raises(NodalError) as caught:
        models.describe(settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_plan_downloads_weights(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    for name in ("fcn_resnet50", "deeplabv3_resnet50", "fasterrcnn_resnet50_fpn", "quantized_r"):
        with pytest.raises(NodalError, match=r"model\.name: torchvision has no"):
            models.describe({**RESNET, "name": name})
    described = models.describe(
        {"source": "torchvision", "name": "regnet_y_400mf", "taps": ["trunk_output.block1"]}
    )
    assert described.blocks == 1, "whose widths are computed, so it needs memory"


def test_a_vit_whose_blocks_are_no_plain_encoders_is_refused():
    """Gated feed-forward parts have no weight from `mid` to `hidden`; maps have no tokens."""
    from timm.layers import SwiGLUPacked
    from timm.models.vision_transformer import VisionTransformer

    sizes = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2}

    plain, gated, mapped = (
        VisionTransformer(**sizes, **more) for more in ({}, {"mlp_layer": SwiGLUPacked}, {})
    )
    mapped.blocks[1].register_forward_hook(lambda _, __, tokens: tokens[:, None])
    mapped.norm = torch.nn.Flatten(1, 2)
    external._require_encoders(plain, "plain", (3, 32, 32))
    with pytest.raises(NodalError, match=r"blocks\.0\.mlp\.fc1 of gated gives 5 x 96, not 5 token"):
        external._require_encoders(gated, "gated", (3, 32, 32))
    with pytest.raises(NodalError, match=r"blocks\.1 of mapped gives 1 x 5 x 24, not 5 tokens of"):
        external._require_encoders(mapped, "mapped", (3, 32, 32))


def test_weights_from_before_batches_were_counted_are_taken(tmp_path):
    """Published files of that age, resnet18-5c106cde.pth for one, are without the counts."""
    model, other = models.build(RESNET, 5, (3, 32, 32)), models.build(RESNET, 5, (3, 32, 32))
    state = {k: v for k, v in model.network.state_dict().items() if "num_batches" not in k}
    assert len(model.network.state_dict()) == len(state) + 20
    torch.save(state, tmp_path / "w.pt")
    models.load_pretrained(other, tmp_path / "w.pt")
    for key, value in state.items():
        assert torch.equal(other.network.state_dict()[key], value)
    del state["bn1.running_mean"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(NodalError, match=r"w.pt: bn1\.running_mean is missing"):
        models.load_pretrained(other, tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("name", "taps", "grids", "widths"),
    [
        ("swin_t", ["features.1", "features.3"], [(8, 8), (4, 4)], [96, 192]),
        ("convnext_tiny", ["features.1", "features.1.0.block.2"], [(8, 8), (8, 8)], [96, 96]),
    ],
)
def test_maps_are_read_whichever_way_their_axes_lie(name, taps, grids, widths):
    settings = {"source": "torchvision", "name": name, "taps": taps}
    torch.manual_seed(0)
    model = models.build(settings, 5, (3, 32, 32)).eval()
    found = {}
    with torch.no_grad(), capture(model, None, lambda tap, tokens: found.update({tap: tokens})):
        model(torch.randn(2, 3, 32, 32))
    for b, (grid, width) in enumerate(zip(grids, widths, strict=True)):
        tokens = found[f"block{b}.out"]
        assert tokens.grid == grid
        assert tokens.values.shape == (2, grid[0] * grid[1], width)


def test_an_axis_is_that_of_features_if_a_larger_image_leaves_it():
    assert external._is_last((8, 8, 96), (16, 16, 96))
    assert not external._is_last((96, 8, 8), (96, 16, 16))
    assert external._is_last((4, 16, 96), (8, 32, 96)), "images need not be square"
    assert external._is_last((7, 7, 768), (7, 7, 768)), "a network for one size of image"
    assert not external._is_last((512, 1, 1), (512, 1, 1))
    assert not external._is_last((49, 96), (196, 96))


def test_an_inception_is_trained_on_its_answer_alone(monkeypatch):
    settings = {"source": "torchvision", "name": "googlenet", "taps": ["inception4a"]}
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", lambda tensor, *_, **__: tensor)
    model = models.build(settings, 5, (3, 32, 32)).train()
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_images_that_a_network_cannot_take_are_refused():
    settings = {"source": "torchvision", "name": "alexnet", "taps": ["features"]}
    with (
        torch.device("meta"),
        pytest.raises(NodalError, match=r"model\.name: alexnet cannot take images of 16 x 16 \("),
    ):
        models.build(settings, 5, (3, 16, 16))


def test_a_module_without_an_output_of_its_own_is_refused():
    settings = {"source": "torchvision", "name": "googlenet", "taps": ["aux1"]}
    with (
        torch.device("meta"),
        pytest.raises(
            NodalError, match=r"model\.taps: 'aux1' gives no map, tokens or features when googlenet"
        ),
    ):
        models.build(settings, 5, (3, 64, 64))


def test_grey_images_are_refused_where_a_network_reads_colour():
    with pytest.raises(NodalError, match=r"model\.source: torchvision's resnet18 reads 3 channels"):
        models.build(RESNET, 10, (1, 8, 8))


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(NodalError, match=r"model\.source: timm is not installed; pip install timm"):
        models.describe({**VIT, "name": "vit_small_patch16_224"})


def test_pretrained_weights_are_where_training_starts(tmp_path):
    from torchvision.models import get_model

    dataset = SimpleNamespace(n_classes=10, inputs=(3, 32, 32))
    torch.manual_seed(1)
    theirs = get_model("resnet18", num_classes=10)
    theirs.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    torch.save(theirs.state_dict(), tmp_path / "w.pt")
    settings = {**RESNET, "pretrained": str(tmp_path / "w.pt")}
    with pytest.raises(NodalError, match=r"w\.pt: conv1\.weight has shape \(64, 1, 7, 7\)"):
        training.initial_model(settings, dataset, 0)
    torch.save(get_model("resnet18", num_classes=10).state_dict(), tmp_path / "w.pt")
    model = training.initial_model(settings, dataset, 0)
    saved = torch.load(tmp_path / "w.pt", weights_only=True)
    assert torch.equal(model.network.fc.weight, saved["fc.weight"])


def test_a_vit_of_timm_has_an_encoders_sites_and_heads():
    pytest.importorskip("timm")
    described = models.describe(VIT)
    assert (described.blocks, described.heads) == (12, 3)
    assert described.sites == tuple(models.PARTS)
    torch.manual_seed(0)
    model = models.build(VIT, 5, (3, 32, 32)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad(), taps.capture(model) as captured:
        plain = model(images)
    size = {tap: tensor.shape[2] for tap, tensor in captured.items()}
    assert captured["block3.heads"].shape == (2, 5, 192), "a class token and four patches"
    tap = model.taps()["block3.heads"]
    assert (tap.grid, tap.prefix) == ((2, 2), 1)
    for edge in model.edges():
        out = size[edge.target] if edge.target else 5
        assert tuple(edge.weight.shape) == (out, size[edge.source])
    block = model.network.blocks[3]
    torch.testing.assert_close(
        captured["block3.proj"], block.attn.proj(captured["block3.heads"]), atol=1e-5, rtol=1e-4
    )
    with torch.no_grad(), taps.silenced(model, "block3.heads", range(64)):
        assert not torch.equal(model(images), plain)


def test_the_config_refuses_heads_of_a_network_without():
    raw = {
        "datasets": {"digits": {"source": "digits"}},
        "experiments": {
            "a": {"dataset": "digits", "model": RESNET, "heads": {"permutations": 2000}}
        },
    }
    with pytest.raises(NodalError, match=r"experiments\.a\.heads: resnet18 has no heads"):
        config.check(raw)
    del raw["experiments"]["a"]["heads"]
    assert config.check(raw)["experiments"]["a"]["train"]["epochs"] == 100
