"""Two answers compared: what counts as the same, and how differences are told apart."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.serving.comparison import EXAMPLES, compare_values, difference_count
from feature_platform_tests.effort import tries


def counts(offline: pl.Series, online: pl.Series, ahead: list[bool] | None = None) -> dict[str, Any]:
    who = pl.DataFrame({"id": range(len(offline))})
    flags = None if ahead is None else {"x": ahead}
    rows = compare_values(who, offline.alias("x").to_frame(), online.alias("x").to_frame(), flags)
    return rows.row(0, named=True)


def test_each_kind_of_difference_has_its_own_count() -> None:
    found = counts(pl.Series([1.0, 2.0, 3.0, None, None]), pl.Series([1.0, 2.5, None, 4.0, None]))

    assert found["compared"] == 5
    assert (found["equal"], found["mismatch"], found["missing"], found["extra"], found["ahead"]) == (2, 1, 1, 1, 0)
    assert found["largest_relative_error"] == pytest.approx(0.2)
    assert [json.loads(each) for each in found["examples"]] == [
        {"entity": {"id": 1}, "offline": 2.0, "online": 2.5},
        {"entity": {"id": 2}, "offline": 3.0, "online": None},
        {"entity": {"id": 3}, "offline": None, "online": 4.0},
    ]


@pytest.mark.parametrize(
    ("offline", "online", "equal"),
    [
        ([1.0], [1.0 + 5e-10], True),
        ([1.0], [1.0 + 5e-9], False),
        ([0.0], [0.0], True),
        ([0.0], [1e-300], False),
        ([float("nan")], [float("nan")], True),
        ([float("inf")], [float("inf")], True),
        ([float("inf")], [float("-inf")], False),
        ([float("nan")], [1.0], False),
        ([2**53], [2**53 + 1], False),
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        ([[1.0, None]], [[1.0, None]], True),
        ([[1.0, None]], [[1.0]], False),
        ([True], [False], False),
    ],
)
def test_floats_are_equal_to_a_billionth_and_everything_else_exactly(
    offline: list[object], online: list[object], equal: bool
) -> None:
    assert counts(pl.Series(offline), pl.Series(online))["equal"] == int(equal)


def test_rows_made_from_newer_pushed_rows_may_differ_and_do_not_count() -> None:
    rows = compare_values(
        pl.DataFrame({"id": [1, 2]}),
        pl.DataFrame({"x": [1, 1]}),
        pl.DataFrame({"x": [7, 1]}),
        {"x": [True, True]},
    )

    assert rows.select("equal", "ahead").row(0) == (1, 1)
    assert rows["largest_relative_error"].to_list() == [0.0]
    assert difference_count(rows) == 0


def test_nothing_asked_is_nothing_compared() -> None:
    rows = compare_values(pl.DataFrame({"id": []}), pl.DataFrame({"x": []}), pl.DataFrame({"x": []}))

    assert rows.select("compared", "equal").row(0) == (0, 0)
    assert difference_count(rows) == 0
    assert difference_count(rows.clear()) == 0


VALUES = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf")]), st.floats(-10, 10))


@settings(derandomize=True, deadline=None, max_examples=tries(60))
@given(pairs=st.lists(st.tuples(VALUES, VALUES, st.booleans()), max_size=12))
def test_every_value_is_in_exactly_one_count(pairs: list[tuple[float | None, float | None, bool]]) -> None:
    offline, online = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ahead = [pair[2] for pair in pairs]
    found = counts(pl.Series(offline, dtype=pl.Float64), pl.Series(online, dtype=pl.Float64), ahead)

    def kind(a: float | None, b: float | None, newer: bool) -> str:
        same = (a is None and b is None) or (a is not None and b is not None and (repr(a) == repr(b) or a == b))
        if (
            a is not None
            and b is not None
            and not same
            and max(abs(a), abs(b)) < float("inf")
            and abs(a - b) <= 1e-9 * max(abs(a), abs(b))
        ):
            same = True
        if same:
            return "equal"
        if newer:
            return "ahead"
        return "missing" if b is None else "extra" if a is None else "mismatch"

    kinds = [kind(*pair) for pair in pairs]
    for name in ("equal", "mismatch", "missing", "extra", "ahead"):
        assert found[name] == kinds.count(name)
    assert len(found["examples"]) == min(EXAMPLES, len(pairs) - kinds.count("equal"))
