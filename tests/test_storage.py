"""Files appear whole or not at all, and damage is named when read."""

import os
import socket
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from nodal import storage
from nodal.errors import NodalError


def test_a_failed_write_leaves_nothing(tmp_path):
    def write():
        with storage.write_hdf5(tmp_path / "a.h5", {}) as file:
            storage.put(file, "x", np.arange(10))
            raise ValueError("half-written")

    with pytest.raises(ValueError, match="half"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.csv"
    storage.write_csv(path, pd.DataFrame({"x": [1]}))

    def write():
        with storage.atomic(path) as temporary:
            temporary.write_text("half")
            raise ValueError("half-written")

    with pytest.raises(ValueError, match="half"):
        write()
    assert path.read_text() == "x\n1\n"


def test_what_a_killed_job_left_is_swept_and_a_living_ones_is_not(tmp_path):
    host = socket.gethostname()
    dead = tmp_path / f".a.h5.{host}-999999999-abcd1234.tmp"
    living = tmp_path / f".a.h5.{host}-{os.getppid()}-abcd1234.tmp"
    elsewhere = tmp_path / ".a.h5.othernode-1-abcd1234.tmp"
    for path in (dead, living, elsewhere):
        path.touch()
    with storage.write_hdf5(tmp_path / "a.h5", {}) as file:
        storage.put(file, "x", np.zeros(3))
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "missing"])
def test_a_damaged_artifact_is_named(tmp_path, damage):
    path = tmp_path / "a.h5"
    with storage.write_hdf5(path, {}) as file:
        storage.put(file, "x", np.arange(4096, dtype=np.float32))
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        place = content.find(np.arange(100, 140, dtype=np.float32).tobytes())
        assert place > 0
        content[place] ^= 0xFF
        path.write_bytes(content)
    elif damage == "text":
        path.write_text("<html>")
    else:
        path.unlink()
    with pytest.raises(NodalError, match=r"a\.h5") as caught, storage.read_hdf5(path) as file:
        file["x"][:]
    assert "\n" not in str(caught.value)


def test_a_missing_part_is_named(tmp_path):
    path = tmp_path / "a.h5"
    with storage.write_hdf5(path, {}):
        pass
    with pytest.raises(NodalError, match=r"a\.h5"), storage.read_hdf5(path) as file:
        file["weights"]


def test_artifacts_say_what_made_them_and_are_the_same_twice(tmp_path):
    for name in ("a.h5", "b.h5"):
        with storage.write_hdf5(tmp_path / name, {"experiment": "e", "seed": 3, "x": 1}) as file:
            storage.put(file, "x", np.arange(9))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["experiment"] == "e"
        assert file.attrs["seed"] == 3
        assert '"torch"' in file.attrs["software"]
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "results").write_text("a file, not a folder")
    with (
        pytest.raises(NodalError, match=r"results/a\.h5: cannot be written"),
        storage.write_hdf5(tmp_path / "results" / "a.h5", {}),
    ):
        pass


FULL = """
import resource, sys
import numpy as np
from nodal import storage
from nodal.errors import NodalError
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    with storage.write_hdf5(sys.argv[1], {}) as file:
        storage.put(file, "x", np.zeros(100000))
except NodalError as error:
    print(error, flush=True)
"""


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    """In a process of its own, which must also end well: left alone, HDF5 crashes at exit."""
    path = tmp_path / "a.h5"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{path}: cannot be written: File too large\n"
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_weights_are_named(tmp_path, damage):
    weights = torch.arange(4096, dtype=torch.float32)
    storage.save_torch(tmp_path / "a.pt", {"w": weights})
    storage.save_torch(tmp_path / "b.pt", {"w": weights})
    content = bytearray((tmp_path / "a.pt").read_bytes())
    assert content == (tmp_path / "b.pt").read_bytes()
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[content.find(weights[100:140].numpy().tobytes())] ^= 0xFF
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(NodalError, match=r"a\.pt: not a readable weights file") as caught:
        storage.load_torch(tmp_path / "a.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["a,b\n1,2\n3", "", "a,b\n1,2,3\n4,5,6,7\n"])
def test_a_table_cut_short_is_named(tmp_path, content):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(NodalError, match=r"a\.csv: not a CSV table"):
        storage.read_csv(tmp_path / "a.csv")


def test_damage_in_what_is_read_is_not_blamed_on_what_is_written(tmp_path):
    with storage.write_hdf5(tmp_path / "in.h5", {}) as file:
        storage.put(file, "x", np.arange(4096, dtype=np.float32))
    content = bytearray((tmp_path / "in.h5").read_bytes())
    content[content.find(np.arange(100, 140, dtype=np.float32).tobytes())] ^= 0xFF
    (tmp_path / "in.h5").write_bytes(content)
    with (
        pytest.raises(NodalError, match=r"in\.h5: not a complete"),
        storage.read_hdf5(tmp_path / "in.h5") as source,
        storage.write_hdf5(tmp_path / "out.h5", {}) as target,
    ):
        storage.put(target, "x", source["x"][:])
    assert not (tmp_path / "out.h5").exists()
