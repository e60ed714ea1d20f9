"""A dataset on a device, and a network's answers to it."""

import math
from dataclasses import dataclass, replace
from importlib import import_module

import torch
import torch.nn.functional as F

from nodal.errors import NodalError
from nodal.progress import told
from nodal.training.streaming import Stream, ahead

IN_MEMORY = 2**29  # bytes of a split's inputs
# Inputs in a forward pass without gradients: on a processor, what is little enough for its cache is
# a third faster than a thousand, whose activations are new memory each time.
PASSING = {"cpu": 64, "cuda": 1000}
PASSED = 2**25  # numbers in them at most: a first layer of 64 filters makes 8 GB of that
READERS = {  # kind of input -> who reads it
    "image": ("nodal.training.pixels", "Pixels"),
    "text": ("nodal.training.words", "Words"),
}


@dataclass
class Task:
    """A dataset on a device.

    train_inputs, test_inputs: as the reader keeps them, for images uint8 (N, channels, H, W).
    labels: (N,). reader: what turns a slice of them into what a network takes, and augments them.
    """

    train_inputs: torch.Tensor
    train_labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    reader: object
    n_classes: int

    @classmethod
    def from_dataset(cls, dataset, device="cpu"):
        """All inputs on the device, as training wants them."""
        return cls._of(dataset, device, lambda inputs, take: take(inputs[:]))

    @classmethod
    def streamed(cls, dataset, device="cpu"):
        """Inputs stay where they are, on disk say, until a slice of them is taken."""
        return cls._of(dataset, device, Stream)

    @classmethod
    def bounded(cls, dataset, device="cpu", memory=IN_MEMORY):
        """Inputs on the device up to so many bytes of a split, on disk beyond.

        Texts, whose order depends on their lengths, are always on the device.
        """

        def bring(inputs, take):
            fits = dataset.inputs.kind == "text" or n_bytes(inputs) <= memory
            return take(inputs[:]) if fits else Stream(inputs, take)

        return cls._of(dataset, device, bring)

    @classmethod
    def of_job(cls, dataset, device, memory_mb):
        """On the device of that name, within what a job of so much memory has for inputs."""
        device = pick_device(device)
        return cls.bounded(dataset, device, room(device, memory_mb))

    @classmethod
    def _of(cls, dataset, device, bring):
        module, name = READERS[dataset.inputs.kind]
        reader = getattr(import_module(module), name)(dataset, device)
        return cls(
            bring(dataset.train.inputs, reader.take),
            torch.from_numpy(dataset.train.labels).to(device),
            bring(dataset.test.inputs, reader.take),
            torch.from_numpy(dataset.test.labels).to(device),
            reader,
            dataset.n_classes,
        )

    @property
    def device(self):
        return self.train_labels.device

    def sample(self, share, seed):
        """The same task with a random share of the training split, no fewer than two inputs."""
        generator = torch.Generator().manual_seed(seed)
        n = max(2, round(share * len(self.train_labels)))
        index = torch.randperm(len(self.train_labels), generator=generator)[:n]
        index, inputs = index.sort().values.to(self.device), self.train_inputs
        some = inputs.some(index) if isinstance(inputs, Stream) else inputs[index]
        return replace(self, train_inputs=some, train_labels=self.train_labels[index])

    def prepared(self, inputs):
        """A slice of the inputs -> what the network takes, without augmentation."""
        return self.reader.prepare(inputs)


def n_bytes(inputs):
    """What the inputs of a split take as they are stored."""
    return math.prod(inputs.shape) * inputs.dtype.itemsize


def room(device, memory_mb):
    """Bytes that the inputs of a split may take: a third of the job's memory, through which they
    come, and on a GPU of what is free there."""
    own = memory_mb * 10**6 // 3
    return min(own, torch.cuda.mem_get_info(device)[0] // 3) if device.type == "cuda" else own


def pick_device(name):
    """'auto', 'cpu' or 'cuda' -> torch.device. Raises NodalError for a GPU that is not there.

    Convolutions on it are in fp32 where fp32 is asked for, as matrices are: not in TF32, which
    keeps 10 bits.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise NodalError(
            "compute.device: cuda asked for, but no GPU is visible; expected cpu or auto"
        )
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def autocast(device, precision):
    """The context of a forward pass in 'fp32' or 'bf16'."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def slow_precision(device, precision):
    """A sentence where a processor computes in bf16 without instructions for it; else None."""
    if precision != "bf16" or device.type != "cpu":
        return None
    if torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "AVX2"):
        return None
    return (
        "train.precision: bf16, for which this processor has no instructions: matrices take tens "
        "of times as long as in fp32"
    )


def passing(device, n_numbers):
    """How many inputs go through a network at once; n_numbers: in one of them."""
    return max(1, min(PASSING[device.type], PASSED // n_numbers))


@torch.no_grad()
def predict(model, task, inputs, precision="fp32", batch_size=None):
    """Logits (N, C) in float32 of a split's inputs, in evaluation mode."""
    model.eval()
    logits, order = [], task.reader.ranked(inputs)
    size = batch_size or passing(task.device, inputs[:1].numel())
    for batch in told(
        ahead(inputs, order.split(size)), "batches of answers", math.ceil(len(order) / size)
    ):
        with autocast(task.device, precision):
            logits.append(model(task.prepared(batch)).float())
    return torch.cat(logits)[order.argsort()]


def evaluate(model, task, precision="fp32", batch_size=None):
    """Test accuracy, a fraction, and mean cross-entropy."""
    logits = predict(model, task, task.test_inputs, precision, batch_size)
    accuracy = (logits.argmax(1) == task.test_labels).float().mean().item()
    return accuracy, F.cross_entropy(logits, task.test_labels).item()
