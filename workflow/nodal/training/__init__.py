"""From a dataset to a trained network: `task` holds it, `loop` trains, `saved` keeps the result."""

from nodal.training.checkpoint import Checkpoint, content, identity
from nodal.training.loop import HISTORY, epoch_seed, fit, run_epoch
from nodal.training.recipe import DEFAULTS, complete, learning_rate, parameter_groups
from nodal.training.saved import initial_model, load_model, save_model
from nodal.training.streaming import Stream
from nodal.training.task import (
    Task,
    autocast,
    evaluate,
    n_bytes,
    pick_device,
    predict,
    room,
    slow_precision,
)

__all__ = [
    "DEFAULTS", "HISTORY", "Checkpoint", "Stream", "Task", "autocast", "complete", "content",
    "epoch_seed", "evaluate", "fit", "identity", "initial_model", "learning_rate", "load_model",
    "n_bytes", "parameter_groups", "pick_device", "predict", "room", "run_epoch", "save_model",
    "slow_precision",
]  # fmt: skip
