"""Compact convolutional transformer (Hassani et al., arXiv 2104.05704).

Modules carry the published code's key names, so that published weights load as they are. From the
encoders on they serve texts too, see `text_cct`: `valid`, bool (B, T), says which tokens count.
Shapes: B images, T tokens, D width, H heads.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from nodal.errors import NodalError
from nodal.taps import Edge, Tapped, encoder_edges, encoder_taps


class Tokenizer(nn.Module):
    """Convolutions with pooling: (B, channels, height, width) -> (B, T, D)."""

    def __init__(self, channels, width, kernel, conv_layers, hidden=64):
        super().__init__()
        widths = [channels, *[hidden] * (conv_layers - 1), width]
        stride, padding = max(1, kernel // 2 - 1), max(1, kernel // 2)
        self.conv_layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(a, b, kernel, stride, padding, bias=False),
                    nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
                    nn.ReLU(),  # after the pooling: the same values, a quarter of the work
                )
                for a, b in itertools.pairwise(widths)
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x):
        return self.conv_layers(x).flatten(2).transpose(1, 2)

    def grid(self, shape):
        """(channels, height, width) of the images -> height and width of the tokens."""
        with torch.no_grad():
            return tuple(self.conv_layers(torch.zeros(1, *shape)).shape[2:])


class Attention(nn.Module):
    def __init__(self, width, heads, attention_dropout, dropout):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.attention_dropout = attention_dropout
        self.proj = nn.Linear(width, width)
        self.proj_drop = Dropout(dropout)

    def forward(self, x, valid=None):
        B, T, D = x.shape
        mask = None if valid is None else valid[:, None, None]  # (B, 1, 1, T), of the keys
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (3, B, H, T, D/H)
        dropout = self.attention_dropout if self.training else 0.0
        if fused_is_slow(q, dropout):
            x = attention(q, k, v, dropout, mask)
        else:
            x = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        x = x.transpose(1, 2).reshape(B, T, D)  # heads side by side
        return self.proj_drop(self.proj(x))


def fused_is_slow(q, rate):
    """On a CPU PyTorch's fused attention has no dropout: half of the time of the form that it falls
    back to goes into random numbers. Its backward pass in bf16 is two to ten times slower.
    """
    if q.is_cuda:
        return False
    return rate > 0 or (q.dtype == torch.bfloat16 and q.requires_grad)


def attention(q, k, v, rate, mask=None):
    """Attention with dropout of its weights, (B, H, T, D/H), in plain operations."""
    scores = only_valid((q * q.shape[3] ** -0.5) @ k.transpose(2, 3), mask)
    weights = torch.softmax(scores, dim=3)
    return (dropped(weights, rate) if rate else weights).to(v.dtype) @ v


def dropped(x, rate):
    """Elements are zero with probability `rate`, the others scaled so that the mean stays."""
    return x * (kept(x.shape, rate).to(x.dtype) * (1 / (1 - rate)))


class Dropout(nn.Dropout):
    """As PyTorch's, whose random numbers cost more on a CPU than what they are drawn for."""

    def forward(self, x):
        if not self.training or self.p == 0 or x.is_cuda:
            return super().forward(x)
        return dropped(x, self.p)


def only_valid(scores, mask):
    """Scores whose softmax gives nothing to what the mask leaves out; None: nothing is."""
    return scores if mask is None else scores.masked_fill(~mask, -math.inf)


def kept(shape, rate):
    """A Boolean tensor, True with probability 1 - rate (to 16 bits); four draws in one."""
    n = math.prod(shape)
    draws = torch.empty(-(-n // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    return (draws.view(torch.int16)[:n] >= round(rate * 2**16) - 2**15).view(shape)


class DropPath(nn.Module):
    """Stochastic depth: a residual branch is left out for whole images (arXiv 1603.09382)."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = torch.empty(x.shape[0], 1, 1, dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * (mask / keep)


class Encoder(nn.Module):
    def __init__(self, width, heads, hidden, dropout, attention_dropout, drop_path):
        super().__init__()
        self.pre_norm = nn.LayerNorm(width)
        self.self_attn = Attention(width, heads, attention_dropout, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.dropout1 = Dropout(dropout)
        self.norm1 = nn.LayerNorm(width)
        self.linear2 = nn.Linear(hidden, width)
        self.dropout2 = Dropout(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x, valid=None):
        x = x + self.drop_path(self.self_attn(self.pre_norm(x), valid))
        x = self.norm1(x)
        hidden = self.dropout1(F.gelu(self.linear1(x)))
        return x + self.drop_path(self.dropout2(self.linear2(hidden)))


class Classifier(nn.Module):
    """Encoders and sequence pooling: (B, T, D) -> (B, C).

    With `valid`, T may be less than n_tokens: places are counted from the first token.
    """

    def __init__(self, settings, n_tokens, n_classes):
        super().__init__()
        width, depth = settings["width"], settings["depth"]
        self.positional_emb = positions(settings["positions"], n_tokens, width)
        self.dropout = Dropout(settings["dropout"])
        self.blocks = nn.ModuleList(
            Encoder(
                width,
                settings["heads"],
                int(width * settings["mlp_ratio"]),
                settings["dropout"],
                settings["attention_dropout"],
                settings["stochastic_depth"] * b / max(1, depth - 1),
            )
            for b in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.attention_pool = nn.Linear(width, 1)
        self.fc = nn.Linear(width, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x, valid=None):
        places = self.positional_emb if valid is None else self.positional_emb[:, : x.shape[1]]
        x = self.dropout(x + places)
        for block in self.blocks:
            x = block(x, valid)
        x = self.norm(x)
        mask = None if valid is None else valid[..., None]
        weight = F.softmax(only_valid(self.attention_pool(x), mask), dim=1)  # (B, T, 1)
        return self.fc((weight.transpose(1, 2) @ x).squeeze(1))


def positions(kind, n_tokens, width):
    """Position embedding (1, T, D): learnable, or the fixed sine one. Raises NodalError."""
    if kind not in ("learnable", "sine"):
        raise NodalError(f"model.positions: {kind!r}; expected learnable or sine")
    if kind == "learnable":
        return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, n_tokens, width), std=0.2))
    place = torch.arange(n_tokens)[:, None] / 10000 ** (
        2 * (torch.arange(width) // 2)[None] / width
    )
    place[:, 0::2] = torch.sin(place[:, 0::2])
    place[:, 1::2] = torch.cos(place[:, 1::2])
    return nn.Parameter(place[None], requires_grad=False)


class CCT(Tapped):
    """A tokenizer, and encoders that are read alike whatever the tokens were made of.

    grid: the form that the places of the tokens make, see nodal.taps.Tokens.
    """

    def __init__(self, tokenizer, grid, settings, n_classes):
        super().__init__()
        self.grid = grid
        self.tokenizer = tokenizer
        self.classifier = Classifier(settings, math.prod(grid), n_classes)

    def forward(self, x):
        return self.classifier(self.tokenizer(x))

    def taps(self):
        """{tap: where it is read}, in the order data meets them; see nodal.taps."""
        taps = {}
        for b, block in enumerate(self.classifier.blocks):
            parts = (block, block.self_attn, block.linear1, block.linear2)
            taps |= encoder_taps(f"block{b}", *parts, self.grid)
        return taps

    def edges(self):
        """The weight matrices between two taps, and the classifier's; see nodal.taps."""
        edges = []
        for b, block in enumerate(self.classifier.blocks):
            edges += encoder_edges(f"block{b}", block.self_attn, block.linear1, block.linear2)
        last = len(self.classifier.blocks) - 1
        edges.append(Edge(self.classifier.fc, f"block{last}.out", None))
        return edges


def build(settings, n_classes, inputs):
    """settings: every key of the family, see nodal.models.FAMILIES."""
    tokenizer = Tokenizer(
        inputs.shape[0], settings["width"], settings["kernel"], settings["conv_layers"]
    )
    return CCT(tokenizer, tokenizer.grid(inputs.shape), settings, n_classes)
