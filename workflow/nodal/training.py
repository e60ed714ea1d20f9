"""Training one seed: the whole dataset on the device, a checkpoint each epoch, exact resumption."""

import contextlib
import hashlib
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

from nodal import models, storage
from nodal.augment import augment
from nodal.errors import NodalError

HISTORY = ("epoch", "learning_rate", "train_loss", "test_accuracy", "test_loss")


def _images(array, device):
    """(n, H, W, channels) uint8 -> tensor (n, channels, H, W) on the device."""
    return torch.from_numpy(array[:]).permute(0, 3, 1, 2).contiguous().to(device)


class Stream:
    """Images that are read and brought to the device a slice at a time."""

    def __init__(self, images, device):
        self.images, self.device = images, device

    def __getitem__(self, rows):
        return _images(self.images[rows], self.device)


@dataclass
class Task:
    """A dataset on a device. Images: uint8 (N, channels, H, W); mean, std: (1, channels, 1, 1)."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor
    n_classes: int

    @classmethod
    def from_dataset(cls, dataset, device="cpu"):
        """All images on the device, as training wants them."""
        return cls._of(dataset, device, lambda images: _images(images, device))

    @classmethod
    def streamed(cls, dataset, device="cpu"):
        """Images stay where they are, on disk say, until a slice of them is taken."""
        return cls._of(dataset, device, lambda images: Stream(images, device))

    @classmethod
    def _of(cls, dataset, device, take):
        def per_channel(values):
            return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)

        return cls(
            take(dataset.train.images),
            torch.from_numpy(dataset.train.labels).to(device),
            take(dataset.test.images),
            torch.from_numpy(dataset.test.labels).to(device),
            per_channel(dataset.mean),
            per_channel(dataset.std),
            dataset.n_classes,
        )

    @property
    def device(self):
        return self.train_labels.device

    def sample(self, share, seed):
        """The same task with a random share of the training images."""
        generator = torch.Generator().manual_seed(seed)
        n = round(share * len(self.train_labels))
        index = torch.randperm(len(self.train_labels), generator=generator)[:n]
        index = index.sort().values.to(self.device)
        return replace(
            self, train_images=self.train_images[index], train_labels=self.train_labels[index]
        )

    def normalise(self, images):
        return layout((images.float() / 255 - self.mean) / self.std)


def layout(images):
    """Channels last: a third faster through convolutions on the CPU."""
    return images.contiguous(memory_format=torch.channels_last)


def pick_device(name):
    """'auto', 'cpu' or 'cuda' -> torch.device. Raises NodalError for a GPU that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise NodalError(
            "compute.device: cuda asked for, but no GPU is visible; expected cpu or auto"
        )
    return torch.device(name)


def autocast(device, precision):
    """The context of a forward pass in 'fp32' or 'bf16'."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def predict(model, task, images, precision="fp32", batch_size=1000):
    """Logits (N, C) in float32 of uint8 images (N, channels, H, W), in evaluation mode."""
    model.eval()
    logits = []
    for batch in images.split(batch_size):
        with autocast(task.device, precision):
            logits.append(model(task.normalise(batch)).float())
    return torch.cat(logits)


def evaluate(model, task, precision="fp32", batch_size=1000):
    """Test accuracy, a fraction, and mean cross-entropy."""
    logits = predict(model, task, task.test_images, precision, batch_size)
    accuracy = (logits.argmax(1) == task.test_labels).float().mean().item()
    return accuracy, F.cross_entropy(logits, task.test_labels).item()


def learning_rate(epoch, settings):
    """Linear warm-up, then half a cosine down to min_rate. epoch: a real number of epochs."""
    warmup, total = settings["warmup_epochs"], settings["epochs"]
    top, low = settings["learning_rate"], settings["min_rate"]
    if epoch < warmup:
        return settings["warmup_rate"] + (top - settings["warmup_rate"]) * epoch / warmup
    along = (epoch - warmup) / max(1e-12, total - warmup)
    return low + (top - low) * (1 + math.cos(math.pi * min(1.0, along))) / 2


def parameter_groups(model, weight_decay):
    """Decay matrices and kernels; leave norms, biases and positions alone, as the recipe does."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    plain = [p for n, p in named if p.ndim < 2 or n.endswith("positional_emb")]
    decayed = [p for n, p in named if not (p.ndim < 2 or n.endswith("positional_emb"))]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def epoch_seed(seed, epoch):
    """A seed of its own for every epoch, so that a resumed run draws what an unbroken one draws."""
    digest = hashlib.sha256(f"{seed}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def run_epoch(model, forward, optimizer, task, settings, epoch, bar=None):
    """One pass over the training split in random order; returns the mean loss.

    Raises NodalError naming epoch and step if the loss is not finite.
    """
    model.train()
    order = torch.randperm(len(task.train_labels), device=task.device)
    batches = order.split(settings["batch_size"])
    losses = []
    for step, index in enumerate(batches):
        rate = learning_rate(epoch + step / len(batches), settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, targets = augment(
            task.train_images[index], task.train_labels[index],
            task.n_classes, task.mean, task.std, settings,
        )  # fmt: skip
        with autocast(task.device, settings["precision"]):
            logits = forward(layout(images))
        loss = F.cross_entropy(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings["clip_norm"]:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip_norm"])
        optimizer.step()
        losses.append(loss.detach())
        if bar is not None:
            bar.update()
    return _mean_loss(torch.stack(losses), epoch)


def _mean_loss(losses, epoch):
    """Looks once an epoch, so that no step waits for the device."""
    broken = (~torch.isfinite(losses)).nonzero()
    if len(broken):
        step = broken[0].item()
        raise NodalError(
            f"the loss is {losses[step].item()} at epoch {epoch + 1}, step {step + 1}; "
            "try a lower train.learning_rate or set train.clip_norm"
        )
    return losses.mean().item()


def _ignore(_):
    pass


def fit(
    model, task, settings, seed, checkpoint=None, on_epoch=_ignore, on_resume=_ignore, identity=""
):
    """Train in place by the train section's recipe; returns the history, one dict per epoch.

    checkpoint: a path where the state of the run is kept after each epoch; if a run of the same
    settings, seed and `identity` (what else it depends on: the model's settings, the dataset) left
    one there, training goes on from it and ends bit-identically on the same CPU. on_epoch is called
    with each new row of the history, on_resume with the number of epochs found done.
    """
    optimizer = torch.optim.AdamW(
        parameter_groups(model, settings["weight_decay"]), lr=settings["learning_rate"], fused=True
    )
    identity = json.dumps([settings, seed, identity], sort_keys=True)
    history = _resume(checkpoint, identity, model, optimizer, task.device)
    if history:
        on_resume(len(history))
    forward = torch.compile(model) if settings["compile"] else model
    steps = math.ceil(len(task.train_labels) / settings["batch_size"])
    bar = tqdm(
        total=steps * settings["epochs"], initial=steps * len(history), desc=f"seed {seed}",
        unit="step", disable=None,
    )  # fmt: skip
    with bar:
        for epoch in range(len(history), settings["epochs"]):
            started = time.perf_counter()
            torch.manual_seed(epoch_seed(seed, epoch))
            loss = run_epoch(model, forward, optimizer, task, settings, epoch, bar)
            row = {"epoch": epoch + 1, "learning_rate": learning_rate(epoch, settings)}
            row |= {"train_loss": loss, "test_accuracy": math.nan, "test_loss": math.nan}
            if (epoch + 1) % settings["eval_every"] == 0 or epoch + 1 == settings["epochs"]:
                row["test_accuracy"], row["test_loss"] = evaluate(
                    model, task, settings["precision"]
                )
            history.append(row)
            on_epoch({**row, "seconds": time.perf_counter() - started})
            if checkpoint:
                content = {"identity": identity, "history": history, "model": model.state_dict(),
                           "optimizer": optimizer.state_dict()}  # fmt: skip
                storage.save_torch(checkpoint, content)
    return history


def _resume(checkpoint, identity, model, optimizer, device):
    """Load a checkpoint of the same settings into model and optimizer; return its history."""
    if checkpoint is None or not Path(checkpoint).exists():
        return []
    with contextlib.suppress(NodalError):
        state = storage.load_torch(checkpoint, device)
        if state["identity"] == identity:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            return state["history"]
    return []


def initial_model(config, dataset, seed):
    """The model of an experiment with its seed's initial weights, or the pretrained ones."""
    torch.manual_seed(epoch_seed(seed, "initial"))
    model = models.build(config, dataset.n_classes, dataset.image_shape)
    if config.get("pretrained"):
        models.load_pretrained(model, config["pretrained"])
    return model


def save_model(path, model, config, dataset, accuracy, **settings):
    """Write model.pt: weights, model config, what is needed to rebuild it, and its accuracy."""
    content = {
        "state_dict": {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()},
        "model": config,
        "n_classes": dataset.n_classes,
        "image_shape": list(dataset.image_shape),
        "test_accuracy": accuracy,
        **storage.provenance({"model": config, **settings}),
    }
    storage.save_torch(path, content)


def load_model(path, device="cpu"):
    """model.pt -> (model in evaluation mode on the device, the file's other content)."""
    content = storage.load_torch(path, device)
    state = content.pop("state_dict", None) if isinstance(content, dict) else None
    if state is None or "model" not in content:
        raise NodalError(f"{path}: expected a model.pt of this workflow")
    model = models.build(content["model"], content["n_classes"], content["image_shape"])
    models.load_state(model, state, path)
    return model.to(device).eval(), content
