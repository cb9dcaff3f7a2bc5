"""The ways in which windows are computed; which one is chosen never shows."""

from typing import Any

import pytest

from feature_platform.compute.windows import (
    blocks,
    exact_spreads,
    exact_sums,
    hot_keys,
    moments,
    ragged,
    spans,
    true_sums,
    window_values,
)

WAYS: dict[str, list[tuple[Any, str, float]]] = {
    "as it comes": [],
    "in chunks of two": [(ragged, "AT_ONCE", 2), (window_values, "AT_ONCE", 2)],
    "in blocks of two": [
        (blocks, "BLOCK", 2),
        (exact_sums, "BLOCK", 2),
        (blocks, "SHORT", 2),
        (exact_spreads, "SHORT", 2),
    ],
    "every sum in doubt": [(true_sums, "ROUNDINGS", 1e15), (moments, "LOST", 1.0)],
    "every sum cut again": [(true_sums, "ROUNDINGS", 1e15), (true_sums, "_RANGE", 0), (true_sums, "_VALUE", 0)],
    "a stretch for each row": [(spans, "AT_ONCE", 1), (exact_spreads, "PIECE", 2), (exact_spreads, "SHORT", 1)],
    "every key hot": [(hot_keys, "LONG", 1), (hot_keys, "WORTH", 0)],
}


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    """The ways in which a window may be computed; which one is chosen never shows."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in WAYS[request.param]:
            patch.setattr(module, name, value)
        yield
