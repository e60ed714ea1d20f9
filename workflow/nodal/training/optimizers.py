"""PyTorch's optimizers without its compiler, which takes longer to load than digits to train."""

from inspect import unwrap

import torch

GUARDED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def light(kind):
    """A class of torch.optim -> one that does the same and never loads `torch._dynamo`.

    The methods of the given class guard themselves against being compiled, and load the compiler
    for that: two to three seconds of every job. Here a model may be compiled, no optimizer is.
    """
    bare = {name: unwrap(getattr(kind, name)) for name in GUARDED}
    return type(kind.__name__, (kind,), {**bare, "step": torch.no_grad()(unwrap(kind.step))})


Adam, AdamW, LBFGS = map(light, (torch.optim.Adam, torch.optim.AdamW, torch.optim.LBFGS))
