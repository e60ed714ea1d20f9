"""ResNet-18 (arXiv 1512.03385) of torchvision's residual units, for images of any size.

Small images enter through a 3x3 convolution that keeps their size, as is usual for CIFAR.
"""

from torch import nn
from torchvision.models.resnet import BasicBlock

from nodal.models import SMALL_IMAGE
from nodal.taps import Edge, Tap, Tapped


def _unit(n_in, n_out, stride):
    same = stride == 1 and n_in == n_out
    shortcut = None if same else nn.Sequential(
        nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
    )  # fmt: skip
    return BasicBlock(n_in, n_out, stride, shortcut)


class ResNet(Tapped):
    def __init__(self, settings, n_classes, inputs):
        super().__init__()
        base, units = settings["width"], settings["units"]
        widths = [base * 2**b for b in range(len(units))]
        small = max(inputs.shape[1:]) <= SMALL_IMAGE
        stem = nn.Conv2d(inputs.shape[0], base, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(base), nn.ReLU())
        self.pool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.stages = nn.ModuleList()
        n_in = base
        for b, (n_units, width) in enumerate(zip(units, widths, strict=True)):
            strides = [2 if b else 1, *[1] * (n_units - 1)]
            ends = [n_in, *[width] * n_units]
            self.stages.append(
                nn.Sequential(*(_unit(ends[i], width, strides[i]) for i in range(n_units)))
            )
            n_in = width
        self.fc = nn.Linear(n_in, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = self.pool(self.stem(x))
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))

    def _units(self):
        """(tap inside, tap after, unit) of every residual unit, in order."""
        for b, stage in enumerate(self.stages):
            for i, unit in enumerate(stage):
                end = "out" if i + 1 == len(stage) else f"unit{i}"
                yield f"block{b}.inner{i}", f"block{b}.{end}", unit

    def taps(self):
        """{tap: where it is read}: between the convolutions of every unit, and after it."""
        taps = {}
        for inner, end, unit in self._units():
            taps |= {inner: Tap(unit.conv2, "input"), end: Tap(unit, "output")}
        return taps

    def edges(self):
        """The kernels between two taps, shortcuts included, and the classifier."""
        edges, source = [], None
        for inner, end, unit in self._units():
            if source:
                edges.append(Edge(unit.conv1, source, inner))
                if unit.downsample:
                    edges.append(Edge(unit.downsample[0], source, end))
            edges.append(Edge(unit.conv2, inner, end))
            source = end
        return [*edges, Edge(self.fc, source, None)]


def build(settings, n_classes, inputs):
    """settings: every key of the family, see nodal.models.FAMILIES."""
    return ResNet(settings, n_classes, inputs)
