"""Files appear whole or not at all, and damage is named when read."""

import fcntl
import os
import socket
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from nodal.errors import NodalError
from nodal.files import storage


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


@pytest.fixture
def artifact(tmp_path):
    """A file of all that artifacts hold: text, numbers, groups, arrays, one that grew."""
    path = tmp_path / "a.h5"
    with storage.write_hdf5(path, {"experiment": "é", "seed": 1, "sizes": [1, 2]}) as file:
        file.attrs["label_names"] = [f"label {i}" for i in range(10)]
        group = file.create_group("heads")
        group.attrs.update({f"number{i}": i / 10 for i in range(12)} | {"pooled": "mean"})
        storage.put(group, "class_means/train", np.arange(50.0))
        storage.put(group, "none", np.zeros((0, 3)))
        grown = file.create_dataset("inputs", (0, 4), "u1", maxshape=(None, 4), chunks=(8, 4),
                                    fletcher32=True)  # fmt: skip
        for i in range(1, 4):
            grown.resize(8 * i, axis=0)
            grown[8 * (i - 1) :] = i
    return path


def everything(path):
    """All that can be read of an artifact."""
    found = {}

    def walk(group, name):
        found[name] = sorted((key, str(value)) for key, value in group.attrs.items())
        for key in group:
            part = group[key]
            if isinstance(part, h5py.Group):
                walk(part, f"{name}/{key}")
            else:
                found[f"{name}/{key}"] = (part[()].tobytes(), part.shape, str(part.dtype))

    with storage.read_hdf5(path) as file:
        walk(file, "")
    return found


def test_one_flipped_bit_anywhere_is_found(artifact, random):
    """In arrays, text, numbers and HDF5's own index: named, or of no consequence."""
    whole, expected = artifact.read_bytes(), everything(artifact)
    named = 0
    for bit in random.choice(8 * len(whole), 80, replace=False):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        artifact.write_bytes(content)
        try:
            found = everything(artifact)
        except NodalError:
            named += 1
        else:
            assert found == expected, f"bit {bit} is wrong and not found"
    assert named > 40


def test_text_of_an_artifact_comes_back_as_text(artifact):
    with storage.read_hdf5(artifact) as file:
        assert file.attrs["experiment"] == "é"
        assert list(file.attrs["label_names"]) == [f"label {i}" for i in range(10)]
        assert dict(file["heads"].attrs)["pooled"] == "mean"
        assert file.attrs["seed"] == 1


def test_a_single_number_is_no_array(tmp_path):
    with (
        pytest.raises(ValueError, match="a single number"),
        storage.write_hdf5(tmp_path / "a.h5", {}) as file,
    ):
        storage.put(file, "x", np.array(1.0))


@pytest.mark.parametrize(
    "error", [RuntimeError("Cholesky"), MemoryError(), KeyError("site"), OSError(28, "full")]
)
def test_what_goes_wrong_with_the_numbers_is_not_the_files_fault(artifact, error):
    def work():
        with storage.read_hdf5(artifact) as file:
            file["inputs"][:]
            raise error

    with pytest.raises(type(error)) as caught:
        work()
    assert caught.value is error


def test_an_error_of_the_file_being_written_is_not_the_source_s(artifact, tmp_path):
    def work():
        with (
            storage.read_hdf5(artifact) as source,
            storage.write_hdf5(tmp_path / "b.h5", {}) as target,
        ):
            storage.put(target, "x", source["inputs"][:])
            storage.put(target, "x", source["inputs"][:])

    with pytest.raises(ValueError, match="exists") as caught:
        work()
    assert not isinstance(caught.value, NodalError)


READ = "import sys; from nodal.files import storage; storage.read_hdf5(sys.argv[1]).__enter__()"


@pytest.mark.parametrize(("asked", "said"), [(None, ""), ("TRUE", "locked, or open for writing")])
def test_a_locked_file_is_whole(artifact, asked, said):
    """Another process holds HDF5's lock: no obstacle, and if it is asked for, not damage."""
    environment = {k: v for k, v in os.environ.items() if k != "HDF5_USE_FILE_LOCKING"}
    environment |= {"HDF5_USE_FILE_LOCKING": asked} if asked else {}
    with open(artifact, "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-c", READ, str(artifact)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode == 0) == (asked is None), done.stderr
    assert said in done.stderr
    if asked:
        assert "HDF5_USE_FILE_LOCKING=FALSE" in done.stderr
        assert "delete" not in done.stderr


def test_two_writers_of_one_file_leave_one_whole_result(tmp_path):
    """A job that was put back into the queue and tried again as well."""
    write = (
        "import sys, time; import numpy as np; from nodal.files import storage\n"
        "with storage.write_hdf5(sys.argv[1], {'seed': 0}) as file:\n"
        "    print('opened', flush=True); sys.stdin.readline()\n"
        "    storage.put(file, 'x', np.arange(1000))\n"
    )
    path = tmp_path / "a.h5"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", write, str(path)], **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["opened\n"] * 2
    contents = []
    for process in both:
        process.communicate("\n")
        assert process.returncode == 0
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert list(tmp_path.iterdir()) == [path]


def test_artifacts_say_what_made_them_and_are_the_same_twice(tmp_path):
    for name in ("a.h5", "b.h5"):
        with storage.write_hdf5(tmp_path / name, {"experiment": "e", "seed": 3, "x": 1}) as file:
            storage.put(file, "x", np.arange(9))
    with storage.read_hdf5(tmp_path / "a.h5") as file:
        assert file.attrs["experiment"] == "e"
        assert file.attrs["seed"] == 3
        assert '"torch"' in file.attrs["software"]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["experiment"] == b"e", "of fixed length, so within a checksum"
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
from nodal.files import storage
from nodal.errors import NodalError
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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
        [sys.executable, "-c", FULL, str(path)], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
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


@pytest.mark.parametrize("column", ["label_name", "experiment"])
def test_names_in_a_table_stay_what_they_are(tmp_path, column):
    names = ["007", "1e5", "NA", "nan", "None", "true", " x", "a,b"]
    frame = pd.DataFrame({column: names, "value": [1.5, np.nan, np.inf, 0, 1, 2, 3, 4]})
    storage.write_csv(tmp_path / "a.csv", frame)
    pd.testing.assert_frame_equal(
        storage.read_csv(tmp_path / "a.csv"), frame, check_dtype=False, check_exact=True
    )
    one = frame[:1].assign(value=np.nan)
    storage.write_csv(tmp_path / "b.csv", one)
    assert storage.read_csv(tmp_path / "b.csv")[column].tolist() == ["007"]
