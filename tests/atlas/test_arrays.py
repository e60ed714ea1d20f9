"""Arrays as JSON come back as they went."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from nodal.atlas.arrays import DTYPES, decode, encode, size, unsigned


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_goes_in_comes_out(dtype, data):
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, min_side=0))
    finite = {"allow_nan": False, "allow_infinity": False} if dtype[0] == "f" else None
    array = data.draw(arrays(np.dtype(dtype), shape, elements=finite))
    encoded = json.loads(json.dumps(encode(array, dtype)))
    found = decode(encoded)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("values", "dtype"), [([256], "u1"), ([-1], "u4"), ([1e6], "f2"), ([0.5], "u2")]
)
def test_a_value_that_does_not_fit_is_refused(values, dtype):
    with pytest.raises(ValueError, match="do not fit"):
        encode(values, dtype)


@pytest.mark.parametrize(("largest", "dtype"), [(0, "u1"), (255, "u1"), (256, "u2"), (65536, "u4")])
def test_unsigned_takes_the_shortest(largest, dtype):
    assert unsigned([0, largest])["dtype"] == dtype


def test_size_is_about_that_of_the_text():
    document = {"a": [1, 2.5, None, True], "b": {"c": "x" * 1000, "d": [unsigned(np.arange(9))]}}
    text = json.dumps(document, separators=(",", ":"))
    assert size(document) == pytest.approx(len(text), rel=0.03)
