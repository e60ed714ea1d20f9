"""Compact convolutional transformer (Hassani et al., arXiv 2104.05704).

Modules carry the published code's key names, so that published weights load as they are.
Shapes: B images, T tokens, D width, H heads.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from nodal.errors import NodalError
from nodal.taps import Edge, encoder_edges, encoder_taps


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
                    nn.ReLU(),
                    nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
                )
                for a, b in itertools.pairwise(widths)
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x):
        return self.conv_layers(x).flatten(2).transpose(1, 2)

    def n_tokens(self, image_shape):
        with torch.no_grad():
            return self(torch.zeros(1, *image_shape)).shape[1]


class Attention(nn.Module):
    def __init__(self, width, heads, attention_dropout, dropout):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.attention_dropout = attention_dropout
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def forward(self, x):
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (3, B, H, T, D/H)
        dropout = self.attention_dropout if self.training else 0.0
        if dropout and not x.is_cuda:
            x = dropped_attention(q, k, v, dropout)
        else:
            x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        x = x.transpose(1, 2).reshape(B, T, D)  # heads side by side
        return self.proj_drop(self.proj(x))


def dropped_attention(q, k, v, rate):
    """Attention with dropout of its weights, (B, H, T, D/H): what the fused one lacks on a CPU.

    There PyTorch falls back to a slower form of it, half of whose time goes into random numbers.
    """
    weights = torch.softmax(q @ k.transpose(2, 3) * q.shape[3] ** -0.5, dim=3)
    return (weights * kept(weights.shape, rate) / (1 - rate)).to(v.dtype) @ v


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
        return x * mask / keep


class Encoder(nn.Module):
    def __init__(self, width, heads, hidden, dropout, attention_dropout, drop_path):
        super().__init__()
        self.pre_norm = nn.LayerNorm(width)
        self.self_attn = Attention(width, heads, attention_dropout, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.dropout1 = nn.Dropout(dropout)
        self.norm1 = nn.LayerNorm(width)
        self.linear2 = nn.Linear(hidden, width)
        self.dropout2 = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x):
        x = x + self.drop_path(self.self_attn(self.pre_norm(x)))
        x = self.norm1(x)
        hidden = self.dropout1(F.gelu(self.linear1(x)))
        return x + self.drop_path(self.dropout2(self.linear2(hidden)))


class Classifier(nn.Module):
    """Encoders and sequence pooling: (B, T, D) -> (B, C)."""

    def __init__(self, settings, n_tokens, n_classes):
        super().__init__()
        width, depth = settings["width"], settings["depth"]
        self.positional_emb = positions(settings["positions"], n_tokens, width)
        self.dropout = nn.Dropout(settings["dropout"])
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

    def forward(self, x):
        x = self.dropout(x + self.positional_emb)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weight = F.softmax(self.attention_pool(x), dim=1)  # (B, T, 1)
        return self.fc((weight.transpose(1, 2) @ x).squeeze(1))


def positions(kind, n_tokens, width):
    """Position embedding (1, T, D): learnable, or the fixed sine one."""
    if kind == "learnable":
        return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, n_tokens, width), std=0.2))
    place = torch.arange(n_tokens)[:, None] / 10000 ** (
        2 * (torch.arange(width) // 2)[None] / width
    )
    place[:, 0::2] = torch.sin(place[:, 0::2])
    place[:, 1::2] = torch.cos(place[:, 1::2])
    return nn.Parameter(place[None], requires_grad=False)


class CCT(nn.Module):
    def __init__(self, settings, n_classes, image_shape):
        super().__init__()
        self.tokenizer = Tokenizer(
            image_shape[0], settings["width"], settings["kernel"], settings["conv_layers"]
        )
        n_tokens = self.tokenizer.n_tokens(image_shape)
        self.classifier = Classifier(settings, n_tokens, n_classes)

    def forward(self, x):
        return self.classifier(self.tokenizer(x))

    def taps(self):
        """{tap: where it is read}, in the order data meets them; see nodal.taps."""
        taps = {}
        for b, block in enumerate(self.classifier.blocks):
            taps |= encoder_taps(f"block{b}", block, block.self_attn, block.linear1, block.linear2)
        return taps

    def edges(self):
        """The weight matrices between two taps, and the classifier's; see nodal.taps."""
        edges = []
        for b, block in enumerate(self.classifier.blocks):
            edges += encoder_edges(f"block{b}", block.self_attn, block.linear1, block.linear2)
        last = len(self.classifier.blocks) - 1
        edges.append(Edge(self.classifier.fc, f"block{last}.out", None))
        return edges


def build(settings, n_classes, image_shape):
    """settings: every key of the family, see nodal.models.FAMILIES."""
    if settings["positions"] not in ("learnable", "sine"):
        raise NodalError(f"model.positions: {settings['positions']!r}; expected learnable or sine")
    if math.prod(image_shape) == 0:
        raise NodalError(f"image shape {image_shape}: expected (channels, height, width)")
    return CCT(settings, n_classes, image_shape)
