"""The id of a layout is kept in stores: it is the same for good."""

import hashlib
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.profiles.layout import Layout
from feature_platform.parts.drift.base import Kind

NUMBERS = st.lists(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-1e16, 1e16)
    | st.integers(-(10**17), 10**17).map(float)
    | st.sampled_from([0.0, -0.0, 1e-4, 9.999e-5, 1e16, 9999999999999998.0, 0.1 + 0.2]),
    max_size=20,
)


@given(NUMBERS, st.lists(st.text(max_size=3), max_size=3), st.floats(allow_nan=False, allow_infinity=False))
def test_the_id_of_a_layout_is_the_hash_of_what_json_says_of_it(edges: list[float], values: list[str], shift: float):
    layout = Layout(Kind.NUMBER, np.array(edges), tuple(values), np.array([0, 2]), shift)
    told = json.dumps(["number", edges, values, [0, 2], shift])
    assert layout.id == hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
