"""Inputs that stay on disk: rows are read where they lie, the next while the last are worked on."""

from concurrent.futures import ThreadPoolExecutor

import torch

from nodal.files import hdf5


class Stream:
    """Inputs that are read and brought to the device when a slice, or some by index, are taken.

    inputs: an array, or one of an HDF5 file. take: see the readers of nodal.training. index: of the
    inputs that it has, in its order; None: all.
    """

    def __init__(self, inputs, take, index=None):
        self.inputs, self.take, self.index = inputs, take, index
        self._rows = None

    def __len__(self):
        return len(self.inputs if self.index is None else self.index)

    def __getitem__(self, rows):
        if self.index is not None:
            rows = self.index[rows]
        if not torch.is_tensor(rows):
            return self.take(self.inputs[rows])
        return self.take(self._opened()[rows.cpu().numpy()])

    def some(self, index):
        """A Stream of some of the inputs; index: a tensor."""
        own = index if self.index is None else self.index[index]
        some = Stream(self.inputs, self.take, own)
        some._rows = self._opened()
        return some

    def _opened(self):
        """Where the rows lie, found once, for that reads and checks all of the file."""
        if self._rows is None:
            self._rows = hdf5.rows(self.inputs)
        return self._rows


def ahead(inputs, batches):
    """Yield inputs[batch] for each of the batches, slices or indices, in their order.

    Of a Stream the next is read, in a thread of its own, while the last is worked on.
    """
    if not isinstance(inputs, Stream):
        yield from (inputs[batch] for batch in batches)
        return
    with ThreadPoolExecutor(1) as reader:
        waiting = None
        for batch in batches:
            following = reader.submit(inputs.__getitem__, batch)
            if waiting:
                yield waiting.result()
            waiting = following
        if waiting:
            yield waiting.result()
