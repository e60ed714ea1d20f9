"""Optimizers that never load PyTorch's compiler, against PyTorch's own."""

import sys

import pytest
import torch
from nodal.training import optimizers

KINDS = {"Adam": {"lr": 0.1}, "AdamW": {"lr": 0.1, "fused": True}, "LBFGS": {"max_iter": 5}}


def minimised(kind, settings):
    """Three steps, the second from a state that was saved and loaded."""
    torch.manual_seed(0)
    place = torch.nn.Parameter(torch.randn(3, 4))
    optimizer = kind([place], **settings)

    def closure():
        optimizer.zero_grad()
        loss = (place.cosh() + place.square().sum(0)).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.step(closure)
    return place.detach()


@pytest.mark.parametrize("name", KINDS)
def test_they_step_as_pytorchs_do(name):
    ours = minimised(getattr(optimizers, name), KINDS[name])
    assert torch.equal(ours, minimised(getattr(torch.optim, name), KINDS[name]))


@pytest.mark.parametrize("name", KINDS)
def test_they_load_no_compiler(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # to load it is an error now
    light = optimizers.light(getattr(torch.optim, name))
    assert minimised(light, KINDS[name]).isfinite().all()
