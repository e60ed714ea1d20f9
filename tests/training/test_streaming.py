"""Training from the disk: the same to the bit as from memory, the next batch read meanwhile."""

import math
import threading

import h5py
import numpy as np
import pytest
import torch
from nodal import datasets, training
from nodal.errors import NodalError
from nodal.files import hdf5
from nodal.training import streaming, task
from test_training import CONFIG, RECIPE, same


def fit(task, dataset):
    model = training.initial_model(CONFIG, dataset, 0)
    history = training.fit(model, task, {**RECIPE, "epochs": 1, "warmup_epochs": 0}, 0)
    return model, history


def test_what_does_not_fit_stays_on_disk_and_trains_the_same_network(digits):
    with datasets.opened(digits[0]) as dataset:
        size = training.n_bytes(dataset.train.inputs)
        assert size == dataset.train.inputs[:].nbytes
        streamed = training.Task.bounded(dataset, memory=size // 10)
        whole = training.Task.bounded(dataset, memory=size)
        assert isinstance(streamed.train_inputs, training.Stream)
        assert torch.is_tensor(whole.train_inputs)
        one, history = fit(streamed, dataset)
        other, expected = fit(whole, dataset)
    assert same(one, other)
    assert history == expected


def test_a_sample_of_what_stays_on_disk_stays_there_and_is_the_same(digits):
    with datasets.opened(digits[0]) as dataset:
        size = training.n_bytes(dataset.train.inputs)
        streamed = training.Task.bounded(dataset, memory=size // 10).sample(0.3, 5)
        whole = training.Task.bounded(dataset, memory=size).sample(0.3, 5)
        assert isinstance(streamed.train_inputs, training.Stream)
        assert len(streamed.train_inputs) == len(whole.train_inputs) == 404
        shuffled = torch.randperm(404)
        assert torch.equal(streamed.train_inputs[shuffled], whole.train_inputs[shuffled])
        assert torch.equal(streamed.train_inputs[7:90], whole.train_inputs[7:90])
        again = streamed.sample(0.5, 1), whole.sample(0.5, 1)
        assert torch.equal(*(one.train_inputs[:] for one in again))
        one, other = fit(streamed, dataset)[0], fit(whole, dataset)[0]
    assert same(one, other)


def test_where_rows_lie_is_found_once_for_all_samples(digits, monkeypatch):
    """Each pruned network is tuned on a sample, and finding rows reads the whole file."""
    found = []
    real = hdf5.Rows.__init__
    monkeypatch.setattr(hdf5.Rows, "__init__", lambda *given: [found.append(1), real(*given)][1])
    with datasets.opened(digits[0]) as dataset:
        task = training.Task.bounded(dataset, memory=1000)
        for seed in range(3):
            task.sample(0.3, seed).train_inputs[torch.arange(5)]
    assert len(found) == 1


def test_texts_are_always_in_memory():
    ids = np.ones((4, 3), np.int32)
    split = datasets.Split(ids, np.arange(4) % 2)
    text = datasets.Dataset(split, split, ["a", "b"], datasets.Inputs("text", (5, 3)))
    assert torch.is_tensor(training.Task.bounded(text, memory=0).train_inputs)


def test_the_next_batch_is_read_while_the_last_is_worked_on():
    read, worked = [threading.Event() for _ in range(4)], []

    def take(rows):
        read[rows[0]].set()
        return torch.from_numpy(rows)

    stream = training.Stream(np.arange(4), take)
    for value in streaming.ahead(stream, [slice(i, i + 1) for i in range(4)]):
        worked.append(value.item())
        following = value.item() + 1
        assert following == 4 or read[following].wait(10)
    assert worked == [0, 1, 2, 3]


def test_what_goes_wrong_while_reading_is_raised():
    def take(rows):
        raise NodalError("damaged")

    with pytest.raises(NodalError, match="damaged"):
        next(streaming.ahead(training.Stream(np.arange(4), take), [slice(0, 2), slice(2, 4)]))


def test_a_third_of_the_jobs_memory_is_the_inputs(monkeypatch):
    """Also on a GPU, to which they come through it."""
    assert training.room(torch.device("cpu"), 3000) == 10**9
    for free, expected in ((9 * 10**9, 10**9), (6 * 10**8, 2 * 10**8)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10**11))
        assert training.room(torch.device("cuda"), 3000) == expected


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("cpu", (3, 32, 32), 64),
        ("cuda", (3, 32, 32), 1000),
        ("cuda", (3, 224, 224), 222),
        ("cuda", (3, 9000, 9000), 1),
    ],
)
def test_a_pass_takes_fewer_of_larger_inputs(kind, shape, expected):
    assert task.passing(torch.device(kind), math.prod(shape)) == expected


@pytest.fixture
def stored(tmp_path, random):
    """29 rows of 5 x 2 x 3 bytes, four in a chunk, with checksums: (path, array)."""
    array = random.integers(0, 256, (29, 5, 2, 3), dtype=np.uint8)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=hdf5.FORMAT) as file:
        options = {"chunks": (4, 5, 2, 3), "fletcher32": True}
        file.create_dataset("x", data=array, **options)
        file.create_dataset("wide", data=array.astype(np.uint16) * 257, chunks=(3, 5, 2, 3))
        file.create_dataset("small", data=array, compression="gzip")
    return path, array


def test_rows_are_those_of_the_array_in_any_order(stored, random):
    path, array = stored
    index = random.integers(0, 29, 50)
    with h5py.File(path) as file:
        assert np.array_equal(hdf5.rows(file["x"])[index], array[index])
        wide = array[index].astype(np.uint16) * 257
        assert np.array_equal(hdf5.rows(file["wide"])[index], wide)
        with pytest.raises(ValueError, match="expected an array of whole, uncompressed rows"):
            hdf5.rows(file["small"])
    assert hdf5.rows(array) is array


def test_damage_is_found_before_a_row_is_used(stored):
    path, array = stored
    content = bytearray(path.read_bytes())
    place = content.index(array[17].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with hdf5.Reader(path) as file, pytest.raises(NodalError, match=r"a\.h5: not a complete HDF5"):
        hdf5.rows(file["x"])
