"""Training one seed: a checkpoint each epoch, exact resumption."""

import hashlib
import math
import time

import torch
import torch.nn.functional as F
from tqdm import tqdm

from nodal.errors import NodalError
from nodal.progress import told
from nodal.training.checkpoint import Checkpoint, identity
from nodal.training.optimizers import AdamW
from nodal.training.recipe import complete, learning_rate, n_epochs, parameter_groups
from nodal.training.streaming import ahead
from nodal.training.task import autocast, evaluate

HISTORY = ("epoch", "learning_rate", "train_loss", "test_accuracy", "test_loss")
ADVICE = "try a lower train.learning_rate or set train.clip_norm"


def epoch_seed(seed, epoch):
    """A seed of its own for every epoch, so that a resumed run draws what an unbroken one draws."""
    digest = hashlib.sha256(f"{seed}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def batches_of(order, size, model):
    """The order of an epoch, cut into steps.

    Where the model has batch norm, whose statistics need two, a last batch of one joins the one
    before it.
    """
    batches = list(order.split(size))
    normed = any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules())
    if normed and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def run_epoch(model, forward, optimizer, task, settings, epoch, bar=None):
    """One pass over the training split in random order; returns the mean loss.

    Raises NodalError naming epoch and step if the loss or, after the last step, a weight is not
    finite.
    """
    model.train()
    order = task.reader.order(task.train_inputs, settings["batch_size"])
    batches = batches_of(order, settings["batch_size"], model)
    losses = []
    read = told(ahead(task.train_inputs, batches), f"epoch {epoch + 1}, steps", len(batches))
    for step, (index, inputs) in enumerate(zip(batches, read, strict=True)):
        rate = learning_rate(epoch + step / len(batches), settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, targets = task.reader.augment(
            inputs, task.train_labels[index], task.n_classes, settings
        )
        with autocast(task.device, settings["precision"]):
            logits = forward(inputs)
        loss = F.cross_entropy(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings["clip_norm"]:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip_norm"])
        optimizer.step()
        losses.append(loss.detach())
        if bar is not None:
            bar.update()
    loss = _mean_loss(torch.stack(losses), epoch)
    _require_finite_weights(model, f"at epoch {epoch + 1}, after step {len(batches)}")
    return loss


def _mean_loss(losses, epoch):
    """Looks once an epoch, so that no step waits for the device."""
    broken = (~torch.isfinite(losses)).nonzero()
    if len(broken):
        step = broken[0].item()
        raise NodalError(
            f"the loss is {losses[step].item()} at epoch {epoch + 1}, step {step + 1}; {ADVICE}"
        )
    return losses.mean().item()


def _require_finite_weights(model, where):
    for name, value in model.state_dict().items():
        if not torch.isfinite(value).all():
            raise NodalError(f"{name} is not finite {where}; {ADVICE}")


def _evaluated(model, task, settings, epoch, steps):
    accuracy, loss = evaluate(model, task, settings["precision"])
    if not math.isfinite(loss):
        raise NodalError(
            f"the test loss is {loss} at epoch {epoch + 1}, after step {steps}; {ADVICE}"
        )
    return {"test_accuracy": accuracy, "test_loss": loss}


def _ignore(_):
    pass


def fit(model, task, settings, seed, checkpoint=None, on_epoch=_ignore, say=_ignore, **depends):
    """Train in place by the train section's recipe; returns the history, one dict per epoch.

    settings: see nodal.training.recipe; what is left out is at its default. checkpoint: a path
    where the state of the run is kept after each epoch; if a run of the same settings, seed and
    `depends` (see nodal.training.identity) left one there, training goes on from it and ends
    bit-identically on the same CPU; another's is kept under another name. on_epoch is called with
    each new row of the history, say with a sentence about a checkpoint that was found.
    """
    settings = complete(settings)
    optimizer = AdamW(
        parameter_groups(model, settings["weight_decay"]), lr=settings["learning_rate"], fused=True
    )
    state = Checkpoint(checkpoint, identity(settings, seed, **depends), say)
    history = state.resume(model, optimizer, task.device)
    forward = torch.compile(model) if settings["compile"] else model
    epochs, every = n_epochs(settings), settings["eval_every"]
    steps = math.ceil(len(task.train_labels) / settings["batch_size"])
    bar = tqdm(
        total=steps * epochs, initial=steps * len(history), desc=f"seed {seed}", unit="step",
        disable=None,
    )  # fmt: skip
    with bar:
        for epoch in range(len(history), epochs):
            started = time.perf_counter()
            torch.manual_seed(epoch_seed(seed, epoch))
            loss = run_epoch(model, forward, optimizer, task, settings, epoch, bar)
            row = {"epoch": epoch + 1, "learning_rate": learning_rate(epoch, settings)}
            row |= {"train_loss": loss, "test_accuracy": math.nan, "test_loss": math.nan}
            if (epoch + 1) % every == 0 or epoch + 1 == epochs:
                row |= _evaluated(model, task, settings, epoch, steps)
            history.append(row)
            on_epoch({**row, "seconds": time.perf_counter() - started})
            state.save(history, model, optimizer)
    return history
