"""The recipe's schedule, what it decays, and that its defaults are the schema's."""

import pytest
import torch
from nodal import models, training
from nodal.pipeline import config
from nodal.training import recipe

LONG = {"epochs": 300, "warmup_epochs": 10, "learning_rate": 6e-4, "min_rate": 1e-5,
        "warmup_rate": 1e-6, "cooldown_epochs": 10}  # fmt: skip


def test_defaults_are_the_schemas():
    keys = config.load_schema()["$defs"]["train"]["properties"]
    defaults = {key: part["default"] for key, part in keys.items()}
    assert defaults.pop("recipe") is None
    assert defaults.pop("checkpoint") is None
    assert defaults == recipe.DEFAULTS


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(0, 1e-6), (5, (1e-6 + 6e-4) / 2), (10, 6e-4), (155, (6e-4 + 1e-5) / 2), (300, 1e-5),
     (305, 1e-5), (309.9, 1e-5), (600, 1e-5)],
)  # fmt: skip
def test_the_rate_warms_up_follows_half_a_cosine_and_stays(epoch, rate):
    assert training.learning_rate(epoch, LONG) == pytest.approx(rate)


def test_cooldown_comes_after_the_epochs():
    assert recipe.n_epochs(LONG) == 310
    assert recipe.n_epochs({**LONG, "epochs": 0}) == 0, "without training there is none"


def decayed(model):
    groups = training.parameter_groups(model, 0.1)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    names = {id(p): name for name, p in model.named_parameters()}
    found = [{names[id(p)] for p in group["params"]} for group in groups]
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert set.union(*found) == trained
    assert not set.intersection(*found)
    return found


CCT = {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1}


def test_norms_biases_and_positions_are_not_decayed():
    matrices, spared = decayed(models.build(CCT, 5, (1, 8, 8)))
    assert all(name.endswith("weight") and "norm" not in name for name in matrices)
    assert "classifier.positional_emb" in spared
    assert "classifier.attention_pool.weight" in matrices
    _, fixed = decayed(models.build({**CCT, "positions": "sine"}, 5, (1, 8, 8)))
    assert "classifier.positional_emb" not in fixed


def test_class_tokens_and_positions_of_other_libraries_are_not_decayed():
    from torchvision.models import VisionTransformer, swin_t

    with torch.device("meta"):
        vit = VisionTransformer(32, 16, 2, 2, 32, 64, num_classes=5)
        matrices, spared = decayed(vit)
        assert {"class_token", "encoder.pos_embedding"} <= spared
        attention = "encoder.layers.encoder_layer_0.self_attention"
        assert {f"{attention}.in_proj_weight", "conv_proj.weight"} <= matrices
        assert f"{attention}.in_proj_bias" in spared
        _, spared = decayed(swin_t())
    assert any(name.endswith("relative_position_bias_table") for name in spared)


def test_what_a_model_names_itself_is_not_decayed():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(4, 3)
            self.head = torch.nn.Linear(3, 2)

        def no_weight_decay(self):
            return {"embedding.weight"}

    outer = torch.nn.Module()
    outer.network = Model()
    matrices, spared = decayed(outer)
    assert matrices == {"network.head.weight"}
    assert spared == {"network.embedding.weight", "network.head.bias"}


def test_timm_agrees_on_what_is_decayed():
    timm = pytest.importorskip("timm")
    from timm.optim import param_groups_weight_decay

    with torch.device("meta"):
        model = timm.create_model("vit_tiny_patch16_224", num_classes=5)
    matrices, _ = decayed(model)
    theirs = param_groups_weight_decay(model, 0.1, no_weight_decay_list=model.no_weight_decay())
    names = {id(p): name for name, p in model.named_parameters()}
    expected = next(group for group in theirs if group["weight_decay"])
    assert matrices == {names[id(p)] for p in expected["params"]}
