"""Preparing datasets: seconds of wall and CPU, and peak memory, at one size and at four times it.

Made-up files in the genuine formats; with a folder of the published ones in $NODAL_DATA, those too.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

PUBLISHED = {
    "CIFAR-100, 60,000 files of a zip": {
        "source": "folder", "size": 32, "channels": 3, "data": "cifar100.zip",
    },
    "Flowers-102, 8,189 files of a zip": {
        "source": "folder", "size": 224, "channels": 3, "data": "flowers102_224.zip",
        "manifest": "flowers102_official.csv", "train": "trainval",
    },
    "CLINC150": {
        "source": "clinc150", "length": 64, "min_count": 2, "data_full.json": "clinc150.json",
    },
}  # fmt: skip
FILES = ("data", "manifest", "archive", "data_full.json")


def cifar(folder, n_images):
    """A binary archive in the genuine format; random pixels, which compress no better than real."""
    path, random, n_test = folder / "c.tar.gz", np.random.default_rng(0), n_images // 6
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        names = "\n".join(f"label{i}" for i in range(100)).encode()
        members = {"fine_label_names.txt": names}
        for split, n in (("train", n_images - n_test), ("test", n_test)):
            records = random.integers(0, 256, (n, 3074), np.uint8)
            records[:, 1] = np.arange(n) % 100
            members[f"{split}.bin"] = records.tobytes()
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-100-binary/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return {"source": "cifar100", "archive": str(path)}


def files(folder, n_images):
    """A zip of train/<label>/* and test/<label>/*, lossless WebP of 32 x 32 random pixels."""
    from PIL import Image

    random, contents = np.random.default_rng(0), []
    for _ in range(200):
        buffer = io.BytesIO()
        pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(buffer, "WEBP", lossless=True)
        contents.append(buffer.getvalue())
    with zipfile.ZipFile(folder / "files.zip", "w") as archive:
        for i in range(n_images):
            split = "test" if i % 6 == 0 else "train"
            name = f"{split}/label{i // 6 % 100}/{i}.webp"
            archive.writestr(name, contents[i % len(contents)])
    return {"source": "folder", "size": 32, "channels": 3, "data": str(folder / "files.zip")}


def texts(folder, n_texts):
    """JSON lines of ten words each, drawn by Zipf's law."""
    random = np.random.default_rng(0)
    drawn = random.zipf(1.3, (n_texts, 10)) % 20_000
    with open(folder / "texts.jsonl", "w") as file:
        for i, row in enumerate(drawn):
            part = "test" if i % 6 == 0 else "train"
            text = " ".join(f"w{word}" for word in row)
            file.write(json.dumps({"text": text, "label": i // 6 % 100, "split": part}) + "\n")
    columns = {"text": "text", "label": "label", "split": "split"}
    return {"source": "text", "length": 64, "min_count": 2, "columns": columns,
            "data": str(folder / "texts.jsonl")}  # fmt: skip


def measure(settings, target):
    """Prepare in this process; print its time and how far memory rose above the imports'."""
    from nodal import datasets

    own = {key: settings.pop(key) for key in FILES if key in settings}
    Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status")

    def memory(field):
        return next(int(x.split()[1]) for x in status.read_text().splitlines() if x[:5] == field)

    before, started, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    datasets.prepare(target, "measured", settings, own)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = (memory("VmHWM") - before) / 1024
    print(f"{seconds:6.1f} s ({cpu:.1f} s of CPU), peak {peak:.0f} MB above the start")


def report(what, settings, folder):
    """Measure in a process of its own, so that no memory is left over from another."""
    command = [sys.executable, __file__, json.dumps(settings), str(folder / "out.h5")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(f"{what:<44} {said.strip()}", flush=True)


def main():
    if len(sys.argv) > 1:
        measure(json.loads(sys.argv[1]), sys.argv[2])
        return
    for make, what in ((cifar, "CIFAR-format images"), (files, "image files"), (texts, "texts")):
        for n in (15_000, 60_000):
            with tempfile.TemporaryDirectory() as folder:
                report(f"{n:,} {what}", make(Path(folder), n), Path(folder))
    given = os.environ.get("NODAL_DATA")
    for what, settings in PUBLISHED.items() if given else ():
        paths = {key: str(Path(given) / settings[key]) for key in FILES if key in settings}
        with tempfile.TemporaryDirectory() as folder:
            report(what, settings | paths, Path(folder))


if __name__ == "__main__":
    main()
