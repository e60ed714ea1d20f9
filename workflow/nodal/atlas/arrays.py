"""Arrays as JSON: {"dtype", "shape", "data"}, the data compressed and as text.

data: base64 of a zlib stream of the little-endian bytes, all first bytes of the elements before
all second bytes and so on (the shuffle filter of HDF5: like bytes side by side compress better).
A reader in a page inflates it with DecompressionStream("deflate").
"""

import base64
import zlib

import numpy as np

DTYPES = ("u1", "u2", "u4", "i2", "f2", "f4")


def encode(array, dtype):
    """An array -> its JSON form, stored as `dtype`, one of DTYPES.

    Raises ValueError for values that the type cannot hold.
    """
    if dtype not in DTYPES:
        raise ValueError(f"{dtype}: expected one of {', '.join(DTYPES)}")
    source = np.asarray(array)
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.ascontiguousarray(source.astype(np.dtype("<" + dtype)))
    exact = dtype[0] == "f" or np.array_equal(stored, source)
    if not exact or (dtype == "f2" and np.isinf(stored).any()):
        raise ValueError(f"values from {source.min()} to {source.max()} do not fit {dtype}")
    planes = np.frombuffer(stored.tobytes(), np.uint8).reshape(stored.size, stored.itemsize).T
    data = base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")
    return {"dtype": dtype, "shape": list(stored.shape), "data": data}


def decode(encoded):
    """The JSON form -> array of the stored type."""
    dtype = np.dtype("<" + encoded["dtype"])
    planes = np.frombuffer(zlib.decompress(base64.b64decode(encoded["data"])), np.uint8)
    size = int(np.prod(encoded["shape"], dtype=int))
    elements = np.ascontiguousarray(planes.reshape(dtype.itemsize, size).T)
    return elements.view(dtype).reshape(encoded["shape"])


def unsigned(array):
    """`encode` in the shortest unsigned type that holds a non-negative array."""
    largest = int(np.max(array, initial=0))
    return encode(array, "u1" if largest < 2**8 else "u2" if largest < 2**16 else "u4")


def size(part):
    """Bytes that a part of the document takes as ASCII, counting its arrays and strings."""
    if isinstance(part, dict):
        return sum(len(key) + 4 + size(value) for key, value in part.items())
    if isinstance(part, list):
        return sum(1 + size(value) for value in part)
    return len(part) + 2 if isinstance(part, str) else len(str(part))
