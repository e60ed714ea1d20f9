"""What learning the queries costs, in forward passes over the same images.

`python benchmarks/pooling.py`: cct_7/3x2, all 70 taps, made-up 32 x 32 images of 100 labels, one
thread. The stage's default is two epochs, so 2 forward passes and what the taps add to them.
"""

import argparse
import time
from types import SimpleNamespace

import torch
from nodal import models, pooling, training
from nodal.pipeline.config import load_schema
from nodal.training.pixels import Pixels

N_CLASSES = 100


def made_up(n_images):
    images = torch.randint(0, 256, (n_images, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(n_images) % N_CLASSES
    reader = Pixels(SimpleNamespace(mean=[0.5] * 3, std=[0.25] * 3), "cpu")
    few = slice(0, N_CLASSES)
    return training.Task(images, labels, images[few], labels[few], reader, N_CLASSES)


def seconds(function):
    started = time.process_time()
    function()
    return time.process_time() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--model", default="cct_7/3x2")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = made_up(options.images)
    model = models.build({"name": options.model}, N_CLASSES, (3, 32, 32)).eval()
    defaults = load_schema()["$defs"]["pooling"]["properties"]
    settings = {key: part["default"] for key, part in defaults.items()} | {"sites": None}
    learning = torch.arange(options.images)

    def forward():
        training.predict(model, task, task.train_inputs, batch_size=settings["batch_size"])

    def learn():
        return pooling.learn(model, task, learning, settings, "fp32", 0)

    forward()
    for _ in range(options.repeats):
        bare, all_taps = seconds(forward), seconds(learn)
        print(
            f"{options.model}, {options.images:,} images: forward pass {bare:.1f} s, "
            f"{len(model.taps())} queries {all_taps:.1f} s: {all_taps / bare:.2f} forward passes",
            flush=True,
        )


if __name__ == "__main__":
    main()
