"""Compact transformer on words (arXiv 2104.05704): the encoders and pooling of the image model.

A text is a row of token ids; those before its first 0 count, and nothing behind it is looked at:
not by a convolution, an attention weight or a pooling. A batch is cut to its longest text.
Shapes: B texts, T tokens of the longest, D width.
"""

from torch import nn

from nodal.models.cct import CCT


class Tokenizer(nn.Module):
    """Word embedding, then convolutions over words without pooling: a token is a word.

    Token ids (B, T) and which of them count -> (B, T, D).
    """

    def __init__(self, vocabulary, width, kernel, conv_layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.conv_layers = nn.ModuleList(
            nn.Sequential(
                nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0),
                nn.Conv1d(width, width, kernel, bias=False),
                nn.ReLU(),
            )
            for _ in range(conv_layers)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, ids, valid):
        x = self.embedding(ids).transpose(1, 2)
        for layer in self.conv_layers:
            # Else a word near the end would see what the layer before made of the padding.
            x = layer(x * valid[:, None])
        return x.transpose(1, 2)


def valid_tokens(ids):
    """Token ids (B, length) -> bool (B, T): those before the first 0, T of them in the longest."""
    valid = (ids != 0).cumprod(1).bool()
    return valid[:, : int(valid.sum(1).max())]


class TextCCT(CCT):
    def valid(self, ids):
        return valid_tokens(ids)

    def forward(self, ids):
        valid = valid_tokens(ids)
        x = self.tokenizer(ids[:, : valid.shape[1]], valid)
        return self.classifier(x, valid)


def build(settings, n_classes, inputs):
    """settings: every key of the family, see nodal.models.FAMILIES."""
    vocabulary, length = inputs.shape
    tokenizer = Tokenizer(
        vocabulary, settings["width"], settings["kernel"], settings["conv_layers"]
    )
    return TextCCT(tokenizer, (length,), settings, n_classes)
