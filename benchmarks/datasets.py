"""Preparing CIFAR-format images: seconds and peak memory at 15,000 and at 60,000 images."""

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np


def archive(path, n_images):
    """A binary archive in the genuine format; random pixels, which compress no better than real."""
    random, n_test = np.random.default_rng(0), n_images // 6
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


def measure(path, target):
    """Prepare in this process; print seconds and how far memory rose above the imports'."""
    from nodal import datasets

    Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status")

    def memory(field):
        return next(int(x.split()[1]) for x in status.read_text().splitlines() if x[:5] == field)

    before, started = memory("VmRSS"), time.perf_counter()
    datasets.prepare(target, "cifar", {"source": "cifar100"}, {"archive": path})
    seconds = time.perf_counter() - started
    print(f"{seconds:.1f} s, peak {(memory('VmHWM') - before) / 1024:.0f} MB above the start")


def main():
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
        return
    for n_images in (15_000, 60_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cifar-100-binary.tar.gz"
            archive(path, n_images)
            command = [sys.executable, __file__, str(path), str(Path(folder) / "out.h5")]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(f"{f'{n_images:,} CIFAR-format images to HDF5':<44} {said.strip()}")


if __name__ == "__main__":
    main()
