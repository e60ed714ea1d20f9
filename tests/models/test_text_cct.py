"""The compact transformer on words: texts alone against an independent encoder, and padding."""

import pytest
import torch
import torch.nn.functional as F
from nodal import models, snp, taps
from nodal.datasets.inputs import Inputs
from nodal.errors import NodalError
from nodal.pooling import grid_pool, mean_pool, sequence_pool

LENGTHS = [3, 1, 6, 9, 2, 9, 4, 5]
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1])
CONFIG = {"name": "text_cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 2}


def build(length=9, **changes):
    torch.manual_seed(0)
    return models.build(CONFIG | changes, 3, Inputs("text", (50, length))).eval()


def longer(model, length, **changes):
    """The same network with places for longer texts."""
    wide = build(length, **changes)
    state = model.state_dict()
    key = "classifier.positional_emb"
    rest = wide.state_dict()[key][:, state[key].shape[1] :]
    wide.load_state_dict({**state, key: torch.cat([state[key], rest], dim=1)})
    return wide


@pytest.fixture
def texts():
    torch.manual_seed(1)
    ids = torch.randint(1, 49, (len(LENGTHS), 9))
    return ids * (torch.arange(9) < torch.tensor(LENGTHS)[:, None])


@pytest.mark.parametrize("positions", ["learnable", "sine"])
@pytest.mark.parametrize("kernel", [3, 4])
def test_a_padded_text_is_what_an_independent_encoder_makes_of_it_alone(texts, positions, kernel):
    from vit_pytorch.cct import TransformerClassifier

    ours = build(positions=positions, kernel=kernel)
    state = ours.classifier.state_dict()
    weight = ours.tokenizer.conv_layers[0][1].weight
    with torch.no_grad():
        logits = ours(texts)
        for text, length, found in zip(texts, LENGTHS, logits, strict=True):
            words = ours.tokenizer.embedding.weight[text[:length]].T
            padded = F.pad(words, ((kernel - 1) // 2, kernel // 2))
            tokens = F.relu(F.conv1d(padded, weight)).T
            theirs = TransformerClassifier(
                seq_pool=True, embedding_dim=16, num_layers=2, num_heads=2, mlp_ratio=2,
                num_classes=3, positional_embedding="learnable", sequence_length=length,
            ).eval()  # fmt: skip
            cut = state["positional_emb"][:, :length]
            theirs.load_state_dict({**state, "positional_emb": cut})
            torch.testing.assert_close(found, theirs(tokens[None])[0], atol=2e-6, rtol=1e-5)


def measure(model, ids):
    """Everything that is read of a tap, by name: arrays that no padding may change."""
    with torch.no_grad(), taps.capture(model, reduce=lambda tap, tokens: tokens) as captured:
        found = {"logits": model(ids)}
    weights = torch.linspace(-1, 1, 3)[:, None, None]
    for tap, tokens in captured.items():
        rows = tokens.rows()
        rms = rows.square().mean(0).sqrt()
        query = torch.linspace(-2, 2, len(rms))
        pooled = sequence_pool(tokens.values, query, rms, tokens.valid)
        means = snp.class_means(pooled[:, None], LABELS, 3)
        found |= {
            f"{tap} tokens": rows,
            f"{tap} rms": rms,
            f"{tap} sequence": pooled,
            f"{tap} mean": mean_pool(tokens.values, tokens.valid),
            f"{tap} line": grid_pool(tokens, 2),
            f"{tap} class means": means,
            f"{tap} snp": snp.snp_matrices(means, weights.expand(3, 1, len(rms))),
        }
    return found


@pytest.mark.parametrize("changes", [{}, {"positions": "sine"}, {"conv_layers": 3, "kernel": 4}])
@pytest.mark.parametrize("case", ["longer frame", "junk behind the first 0", "a longer companion"])
def test_what_stands_behind_a_text_changes_nothing(texts, changes, case):
    model = build(**changes)
    expected = measure(model, texts)
    framed = F.pad(texts, (0, 6))
    if case == "junk behind the first 0":
        framed[:, 11:] = torch.randint(1, 50, (len(texts), 4))
        framed[0, 5], framed[1, 2] = 7, 1
    found = measure(wide := longer(model, 15, **changes), framed)
    if case == "a longer companion":  # so that no text is cut to its own end
        companion = torch.cat([framed, torch.full((1, 15), 3)])
        with torch.no_grad():
            found = {"logits": wide(companion)[:-1]}
        assert wide.valid(companion).shape == (len(texts) + 1, 15)
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name], atol=1e-5, rtol=1e-5, msg=name)


def test_valid_tokens_are_those_before_the_first_0():
    ids = torch.tensor([[4, 0, 5, 6, 0], [7, 8, 1, 0, 9]])
    expected = torch.tensor([[1, 0, 0], [1, 1, 1]]).bool()
    assert torch.equal(build().valid(ids), expected), "and the batch is cut to its longest text"


def test_padding_and_junk_take_no_part_in_training(texts):
    model = build(dropout=0.2, stochastic_depth=0.2, conv_layers=2).train()
    junk = texts.clone()
    junk[1, 2:] = 49
    used = {*texts.unique().tolist()} - {0}
    F.cross_entropy(model(junk), LABELS).backward()
    moved = model.tokenizer.embedding.weight.grad.abs().sum(1).nonzero().flatten()
    assert set(moved.tolist()) <= used
    assert not model.classifier.positional_emb.grad.isnan().any()


def test_named_models_have_the_published_widths_depths_and_heads():
    for name, expected in {
        "text_cct_2": (128, 2, 2, 1),
        "text_cct_4": (128, 4, 2, 1),
        "text_cct_6": (256, 6, 4, 2),
    }.items():
        described = models.describe({"name": name})
        found = tuple(described.settings[k] for k in ("width", "depth", "heads", "mlp_ratio"))
        assert found == expected
        assert described.kind == "text"


def test_a_text_model_takes_no_images_and_an_image_model_no_texts():
    with pytest.raises(NodalError, match=r"text_cct_2 takes text inputs, the dataset holds image"):
        models.build({"name": "text_cct_2"}, 3, (3, 8, 8))
    with pytest.raises(NodalError, match=r"cct_2 takes image inputs, the dataset holds text"):
        models.build({"name": "cct_2"}, 3, Inputs("text", (50, 9)))


def test_dropout_is_as_frequent_and_as_large_as_it_should_be():
    from nodal.models.cct import Dropout

    torch.manual_seed(0)
    out = Dropout(0.2).train()(torch.ones(400, 1000))
    assert sorted(out.unique().tolist()) == pytest.approx([0, 1.25])
    assert out.mean().item() == pytest.approx(1, abs=5e-3)
    assert torch.equal(Dropout(0.2).eval()(out), out)


def test_attention_with_dropout_sees_no_padding_either():
    from nodal.models.cct import attention

    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 9, 8)
    valid = torch.arange(9) < torch.tensor([5, 9])[:, None]
    found = attention(q, k, v, 0.0, valid[:, None, None])
    for b, length in enumerate((5, 9)):
        expected = F.scaled_dot_product_attention(q[b], k[b, :, :length], v[b, :, :length])
        torch.testing.assert_close(found[b], expected)
