"""Laws of on-demand features: rows, batches, windows and memory come to the same."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.features.service import plan_features
from feature_platform.compute.joins import columns, join_plan
from feature_platform.compute.transforms.on_demand import compute_on_demand
from feature_platform.compute.transforms.rows import window_rows
from feature_platform.testing import values_at
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.transforms.on_demand_shop import (
    ASKED,
    EVENTS,
    ROWS,
    SPINES,
    asked,
    declared,
    drawn_frames,
    known,
    last,
    law,
    naive,
    share,
)
from feature_platform_tests.orders import at, source, view


@DRAWN
@given(ROWS, SPINES, st.booleans())
def test_they_are_what_plain_python_says_of_each_row_in_memory_and_from_disk(rows, moments, spilled):
    events, asked_at = drawn_frames(rows, moments)
    wanted = [naive(events, *row) for row in asked_at.iter_rows()]
    with pytest.MonkeyPatch.context() as patch:
        if spilled:
            patch.setattr(join_plan, "IN_MEMORY", -1)
            patch.setattr(join_plan, "GROUP", 1)
            patch.setattr(columns, "ROWS_IN_A_BLOCK", 3)
        found = asked(known["x"], law, spine=asked_at, tables={"views/last": events.lazy()}).collect()
    assert found.select("waited", "worth").rows() == wanted
    assert_frame_equal(found.select(asked_at.columns), asked_at)


@DRAWN
@given(ROWS, SPINES)
def test_a_batch_of_one_says_what_the_whole_says(rows, moments):
    events, asked_at = drawn_frames(rows, moments)
    seen = declared(lambda row: {"t": row["last.event_time"], "v": row["last.x"]}, known, name="seen")
    found = asked(law, seen, spine=asked_at, tables={"views/last": events.lazy()}).collect()
    names = {"due": "due", "n": "n", "last.event_time": "t", "last.x": "v"}
    whole = compute_on_demand(law, found, names)
    assert_frame_equal(whole, found.select("waited", "worth"))
    ones = [compute_on_demand(law, found.slice(number, 1), names) for number in range(found.height)]
    assert_frame_equal(pl.concat(ones), whole)
    assert compute_on_demand(law, found.clear(), names, ["worth"]).schema == {"worth": pl.Int64}


@DRAWN
@given(ROWS, SPINES, st.sampled_from(["row", "snapshot", "exact"]))
def test_values_at_says_what_the_tables_say(rows, moments, kind):
    events, asked_at = drawn_frames(rows, moments)
    windows = {"aggregations": [fp.Sum("x", windows=["6h"])], "cadence": fp.Cadence(every="2h", delay="1h")}
    words = {"row": {}, "snapshot": windows, "exact": windows | {"accuracy": "exact"}}[kind]
    of = view(name="of", ttl="4h", source=source(known_at="seen_at"), **words)
    value = "of.x" if kind == "row" else "of.x_sum_6h"
    time = {} if kind == "exact" else {"t": "of.event_time"}
    both = declared(lambda row: {"v": row[value] + row["n"]} | {a: row[b] for a, b in time.items()}, of, n=pl.Int64)
    table = window_rows(of, events.lazy(), at(-24), at(48)) if kind == "snapshot" else events.lazy()
    tables = {"sources/orders" if kind == "exact" else "views/of": table}
    stored = asked(both, spine=asked_at, tables=tables)
    assert_frame_equal(values_at(both, {"orders": events}, asked_at).collect(), stored.collect())


def test_more_than_memory_holds_keeps_the_narrow_inputs_only(monkeypatch):
    monkeypatch.setattr(join_plan, "IN_MEMORY", -1)
    monkeypatch.setattr(join_plan, "GROUP", 1)
    service = fp.FeatureService("shop_v1", [last, share])
    plan = plan_features(service, ASKED.lazy(), {"views/last": EVENTS.lazy()})
    rows = ASKED.select("k", "event_timestamp", "amount")
    groups = [group.columns for group in plan._groups(rows, plan._columns_needed(["x", "y", "share", "twice"]))]
    assert groups == [["k", "event_timestamp", "amount"], ["share"], ["twice"], ["x"], ["y"]]
