"""VGG with batch norm (arXiv 1409.1556) for small images: stages of 3x3 convolutions, then pooling.

A stage pools by two while the image is larger than one pixel, so that any size passes.
"""

from torch import nn

from nodal.taps import Edge, Tap, Tapped


class Stage(nn.Sequential):
    """Convolutions with batch norm and ReLU: (B, u, h, w) -> (B, v, h/2, w/2)."""

    def __init__(self, n_convolutions, n_in, n_out):
        layers = []
        for i in range(n_convolutions):
            layers += [
                nn.Conv2d(n_in if i == 0 else n_out, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            ]
        super().__init__(*layers)

    def forward(self, x):
        x = super().forward(x)
        return nn.functional.max_pool2d(x, 2) if min(x.shape[2:]) > 1 else x


class VGG(Tapped):
    def __init__(self, settings, n_classes, inputs):
        super().__init__()
        base = settings["width"]
        widths = [min(base * 2**b, base * 8) for b in range(len(settings["stages"]))]
        ends = [inputs.shape[0], *widths]
        self.stages = nn.ModuleList(
            Stage(n, ends[b], ends[b + 1]) for b, n in enumerate(settings["stages"])
        )
        self.dropout = nn.Dropout(settings["dropout"])
        self.fc = nn.Linear(widths[-1], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return self.fc(self.dropout(x.mean((2, 3))))

    def taps(self):
        """{tap: where it is read}: after every convolution's ReLU, at the end of every stage."""
        taps = {}
        for b, stage in enumerate(self.stages):
            for i in range(1, len(stage) // 3):
                taps[f"block{b}.conv{i}"] = Tap(stage[3 * i - 1], "output")
            taps[f"block{b}.out"] = Tap(stage, "output")
        return taps

    def edges(self):
        """The kernels that lead from one tap's filters to the next's, and the classifier."""
        names, convolutions = list(self.taps()), [c for s in self.stages for c in list(s)[::3]]
        pairs = zip(convolutions[1:], names, names[1:], strict=False)
        return [*(Edge(*pair) for pair in pairs), Edge(self.fc, names[-1], None)]


def build(settings, n_classes, inputs):
    """settings: every key of the family, see nodal.models.FAMILIES."""
    return VGG(settings, n_classes, inputs)
