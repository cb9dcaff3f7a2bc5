"""Vectors are kept packed, and read as what they were: as numbers by expressions, as JSON by clients."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_series_equal

import feature_platform as fp
from feature_platform.compute.serving import packed
from feature_platform.compute.serving.packed import (
    FEWEST,
    MARK,
    WIDE_MARK,
    row_text,
    stored_series_of,
    stored_texts_of,
    unpack,
)
from feature_platform.compute.serving.tile_bytes import append_tile, events_of, pack_rows
from feature_platform.compute.serving.values import BETWEEN, texts_of
from feature_platform.ground.working_columns import EVENT_TAG
from feature_platform.online import Lmdb
from feature_platform.serving import online_features
from feature_platform.serving.publication import publish
from feature_platform.serving.service import ServedService
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at

SINGLE = st.floats(width=32)
VECTORS = st.lists(SINGLE, min_size=FEWEST - 2, max_size=FEWEST + 3) | st.lists(st.none() | SINGLE, min_size=FEWEST)
TYPES: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "list": (pl.List(pl.Float32), st.none() | st.just([]) | VECTORS),
    "array": (pl.Array(pl.Float32, 20), st.none() | st.lists(SINGLE, min_size=20, max_size=20)),
    "array with nulls": (pl.Array(pl.Float32, 20), st.none() | st.lists(st.none() | SINGLE, min_size=20, max_size=20)),
    "short array": (pl.Array(pl.Float32, 2), st.none() | st.lists(SINGLE, min_size=2, max_size=2)),
    "larger floats": (pl.List(pl.Float64), st.none() | st.lists(st.floats(), max_size=20)),
    "array of larger floats": (pl.Array(pl.Float64, 20), st.none() | st.lists(st.floats(), min_size=20, max_size=20)),
}


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=tries(100), deadline=None)
@given(data=st.data())
def test_vectors_come_back_bit_by_bit_and_clients_read_the_same_numbers(kind: str, data: st.DataObject) -> None:
    dtype, values = TYPES[kind]
    series = pl.Series("v", data.draw(st.lists(values, max_size=6)), dtype=dtype)
    stored = stored_texts_of(series)
    assert_series_equal(stored_series_of("v", dtype, stored), series, check_exact=True)
    assert_series_equal(stored_series_of("v", dtype, texts_of(series)), series, check_exact=True)
    assert [json.loads(unpack(text)) for text in stored] == [json.loads(text) for text in texts_of(series)]
    assert not any(b"\n" in text for text in stored)
    rows = series.to_frame().select(row_text({"v": dtype}).alias("row"))
    assert [text.encode() for text in rows["row"]] == list(stored)
    joined = [BETWEEN.join([text, text]) for text in stored]
    assert [text.split(BETWEEN) for text in joined] == [[text, text] for text in stored]


@pytest.mark.parametrize("kind", ["list", "array with nulls", "larger floats", "array of larger floats"])
@settings(max_examples=tries(60), deadline=None)
@given(data=st.data())
def test_tiles_hold_vectors_bit_by_bit_beside_those_of_before(kind: str, data: st.DataObject) -> None:
    dtype, values = TYPES[kind]
    drawn = pl.Series("v", data.draw(st.lists(values, min_size=4, max_size=4)), dtype=dtype)
    times = pl.Series("at", [at(1), at(2), at(3), at(4)])
    rows = pl.DataFrame([times, drawn, pl.Series(EVENT_TAG, [None, "a", None, "b"], pl.String)])
    columns = {"at": times.dtype, "v": dtype}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(packed, "FEWEST", 10**9)
        (before,) = pack_rows(rows[:2], columns, np.array([0, 2]))
    (after,) = pack_rows(rows[2:], columns, np.array([0, 2]))
    both = append_tile(before, after, columns)
    assert both is not None
    found = events_of([both], [7], columns)
    assert_series_equal(found["v"], drawn, check_exact=True)
    assert found[EVENT_TAG].to_list() == [None, "a", None, "b"]


def test_tiles_and_arrays_of_larger_floats_are_packed_and_lists_in_rows_are_not() -> None:
    numbers = [[0.1 + n / 997 for n in range(64)]] * 3
    wide, plain = pl.Array(pl.Float64, 64), pl.List(pl.Float64)
    (row, *_), (text, *_) = (stored_texts_of(pl.Series(numbers, dtype=dtype)) for dtype in (wide, plain))
    assert row.startswith(WIDE_MARK)
    assert text.startswith(b"[")
    assert len(row) < 0.6 * len(text)
    for dtype, most in ((wide, 11.2), (plain, 11.2), (pl.List(pl.Float32), 5.9)):
        rows = pl.DataFrame({"v": pl.Series(numbers, dtype=dtype), EVENT_TAG: pl.Series([None] * 3, dtype=pl.String)})
        assert len(pack_rows(rows, {"v": dtype}, np.array([0, 3]))[0]) < most * 3 * 64


def test_a_packed_vector_takes_less_than_a_third_of_its_text() -> None:
    numbers = [((n * 7919) % 1000) / 997 - 0.5 for n in range(768)]
    (stored,), (text,) = (
        write(pl.Series([numbers], dtype=pl.List(pl.Float32))) for write in (stored_texts_of, texts_of)
    )
    assert stored.startswith(MARK)
    assert len(stored) < 5.4 * 768 < 0.3 * len(text)


DTYPE = pl.Array(pl.Float32, 20)
NUMBERS = [
    [0.1 * n for n in range(20)],
    [float("nan"), float("inf"), -float("inf"), *[-0.0] * 17],
    None,
    [None, *[1.0] * 19],
]
ASKED = pl.DataFrame({"doc": ["a", "b", "c", "d", "nobody"]})


def published(root: Path) -> tuple[fp.OfflineStore, Lmdb, fp.FeatureService]:
    rows = pl.DataFrame(
        {"doc": ["a", "b", "c", "d"], "at": [at(1)] * 4, "n": [1, 2, 3, None], "v": pl.Series(NUMBERS, dtype=DTYPE)}
    )
    view = fp.feature_view(
        entity=fp.Entity("doc", join_keys=["doc"]),
        source=fp.Source("documents", fp.sources.Frame(rows), event_time="at"),
        types={"v": DTYPE},
        name="document",
    )(lambda rows: rows)
    sums = fp.on_demand(inputs=[view], name="sums")(lambda row: {"total": row["document.v"].arr.sum()})
    store, online = fp.OfflineStore(str(root)), Lmdb(root / "online")
    fp.materialize(view, store)
    publish(view, store, online, now=at(2))
    return store, online, fp.FeatureService("documents", [view, sums])


@pytest.mark.parametrize("fewest", [FEWEST, 10**9], ids=["packed", "from before"])
def test_what_is_served_is_the_same_packed_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fewest: int) -> None:
    monkeypatch.setattr(packed, "FEWEST", fewest)
    store, online, service = published(tmp_path)
    monkeypatch.undo()
    expected = fp.historical_features(service, ASKED.with_columns(event_timestamp=at(2)), store).collect()
    found = online_features(service, ASKED, online, now=at(2))
    for name in ("n", "v", "total"):
        assert_series_equal(found[name], expected[name], check_exact=True)
    with online.reader() as reader:
        for wanted in (
            service,
            fp.FeatureService("alone", service.views),
            fp.FeatureService("v", [service.views[0]["v"]]),
        ):
            served = ServedService(wanted, reader)
            rows = json.loads(b"[%b]" % served.rows({"doc": ["a", "b", "c", "d", "nobody"]}, 5, at(2)))
            place = list(served.types()).index("v")
            assert [row["values"][place] for row in rows] == [json.loads(text) for text in texts_of(expected["v"])]
            assert [row["statuses"][place] for row in rows] == [
                "PRESENT",
                "PRESENT",
                "NULL_VALUE",
                "PRESENT",
                "NOT_FOUND",
            ]
