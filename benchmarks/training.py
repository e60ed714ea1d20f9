"""Training and evaluation of the same CCT: nodal against vit-pytorch, side by side in one run."""

import argparse
import statistics
from pathlib import Path

import torch
from common import HEADER, row, threads, times
from nodal import models
from torch.utils.flop_counter import FlopCounterMode
from vit_pytorch.cct import CCT

SHAPE, C = (3, 32, 32), 100
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def build(width=128, depth=4, heads=4, layers=2):
    """The same network twice, with the same weights."""
    config = {"name": "cct", "width": width, "depth": depth, "heads": heads, "mlp_ratio": 2,
              "conv_layers": layers, "attention_dropout": 0.1, "stochastic_depth": 0.1}  # fmt: skip
    ours = models.build(config, C, SHAPE)
    theirs = CCT(
        img_size=SHAPE[1:], embedding_dim=width, n_conv_layers=layers, kernel_size=3, stride=1,
        padding=1, pooling_kernel_size=3, pooling_stride=2, pooling_padding=1, num_layers=depth,
        num_heads=heads, mlp_ratio=2, num_classes=C, positional_embedding="learnable",
        dropout_rate=0.0, attention_dropout=0.1, stochastic_depth_rate=0.1,
    )  # fmt: skip
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def training_step(model, images, labels, precision, layout, fused):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused)
    images = images.contiguous(memory_format=layout)

    def step():
        model.train()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        if images.is_cuda:
            torch.cuda.synchronize()

    return step


def evaluation(model, images, precision, layout):
    images = images.contiguous(memory_format=layout)

    @torch.no_grad()
    def run():
        model.eval()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            model(images)
        if images.is_cuda:
            torch.cuda.synchronize()

    return run


def flops(model, images, labels):
    """Multiplications and additions of one training step."""
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.cross_entropy(model(images), labels).backward()
    return counter.get_total_flops()


def precisions():
    """fp32, and bf16 where the processor or the GPU computes in it."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    if torch.cuda.is_available() or "avx512_bf16" in flags or "amx_bf16" in flags:
        return ["fp32", "bf16"]
    print("no bf16 units here, and without them it is many times slower: left out")
    return ["fp32"]


def matrix_product(precision, device, n=2048):
    """Floating-point operations per second of a plain square matrix product."""
    a = torch.randn(n, n, device=device, dtype=getattr(torch, DTYPES[precision]))

    def product():
        a @ a
        if a.is_cuda:
            torch.cuda.synchronize()

    return 2 * n**3 / statistics.median(times({"x": product})["x"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    ours, theirs = (m.to(device) for m in build())
    if options.compile:
        ours = torch.compile(ours)
    images = torch.randn(options.batch, *SHAPE, device=device)
    labels = torch.randint(0, C, (options.batch,), device=device)
    work = flops(theirs, images, labels)
    last, first = torch.channels_last, torch.contiguous_format
    print(f"{device}, {threads()} threads, batch {options.batch}\n{HEADER}")
    for precision in precisions():
        step = times(
            {"ours": training_step(ours, images, labels, precision, last, True),
             "theirs": training_step(theirs, images, labels, precision, first, False)},
            options.repeats,
        )  # fmt: skip
        print(row(f"training step, {precision}", step["ours"], step["theirs"]))
        reached = work / statistics.median(step["ours"])
        peak = matrix_product(precision, device)
        print(
            f"{'  images per second':<44} {options.batch / statistics.median(step['ours']):10.0f}"
        )
        print(f"{'  share of a plain matrix product':<44} {reached / peak:10.0%}"
              f"   ({reached / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s)")  # fmt: skip
        run = times(
            {"ours": evaluation(ours, images, precision, last),
             "theirs": evaluation(theirs, images, precision, first)},
            options.repeats,
        )  # fmt: skip
        print(row(f"evaluation, {precision}", run["ours"], run["theirs"]))


if __name__ == "__main__":
    main()
