"""Materializing part by part: what is held at once never changes a value, an order or a hash."""

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.errors import ExpectationsFailed, SourceUnreadable
from feature_platform.pipelines.candidates import parts, upstream
from feature_platform.pipelines.candidates.parts import parts_of, split_into_parts
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, customer, daily, hashes, last_order, orders, source, spending

TABLES = ("sources/orders", "views/spending", "views/last_order")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little room that every partition is a part."""
    monkeypatch.setattr(parts, "PART_VALUES", 1)


def materialized(
    store: fp.OfflineStore, rows: pl.DataFrame, values: int, held: int = upstream.HELD_ROWS
) -> dict[str, dict[str, str | None]]:
    """The hashes of all partitions when a part holds so many values, and so many rows are held for all parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_VALUES", values)
        patch.setattr(upstream, "HELD_ROWS", held)
        for view in (spending(source(rows), windows=["2d"], every="6h"), last_order(source(rows))):
            fp.materialize(view, store)
    return {table: dict(hashes(store, table)) for table in TABLES}


MOMENTS = st.integers(0, 12 * 24).map(lambda hours: at(hours=hours))
ORDERS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", None]), st.one_of(MOMENTS, st.none()), st.floats(-9, 9)), max_size=40
)


@settings(max_examples=tries(12), deadline=None)
@given(rows=ORDERS, values=st.sampled_from([1, 7, 50]))
def test_the_size_of_parts_never_changes_a_hash(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, datetime | None, float]], values: int
) -> None:
    """Ties too: of orders of one customer at one moment the last in the source wins."""
    frame = orders(*rows)
    one, other = (fp.OfflineStore(tmp_path_factory.mktemp("law")) for _ in range(2))
    assert materialized(one, frame, values) == materialized(other, frame, parts.PART_VALUES)


@settings(max_examples=tries(8), deadline=None)
@given(rows=ORDERS, values=st.sampled_from([1, parts.PART_VALUES]))
def test_rows_that_are_read_once_for_all_parts_give_what_rows_give_that_are_read_for_each(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, datetime | None, float]], values: int
) -> None:
    frame = orders(*rows)
    one, other = (fp.OfflineStore(tmp_path_factory.mktemp("law")) for _ in range(2))
    assert materialized(one, frame, values) == materialized(other, frame, values, held=0)


def test_a_large_source_in_any_order_is_split_by_a_stream_and_ties_keep_their_order(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    chance = random.Random(1)
    rows = [("ann", at(chance.randrange(10), chance.randrange(3)), float(number)) for number in range(3000)]
    for number in range(3):
        orders(*rows[number::3]).write_parquet(tmp_path / f"{number}.parquet")
    read = fp.Source("orders", fp.sources.Parquet(tmp_path), event_time="at")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_VALUES", 1000)
        fp.materialize(last_order(read), store)
    last = {moment: amount for _, moment, amount in (row for number in range(3) for row in rows[number::3])}
    assert dict(store.read("views/last_order").select("at", "last_amount").collect().iter_rows()) == last


@pytest.mark.usefixtures("narrow")
def test_late_rows_of_several_parts_are_all_found(store: fp.OfflineStore) -> None:
    fp.materialize(last_order(source(daily(4))), store)
    late = pl.concat([daily(5), orders(("eve", at(0, 3), 7.0), ("eve", at(2, 3), 8.0))])
    done = fp.materialize(last_order(source(late)), store, at(4), at(5))
    assert done["sources/orders"].candidate.notes == {"rows_later_than_lateness": 2}
    assert sorted(store.read("late/sources/orders").collect()["event_time"]) == [at(0, 3), at(2, 3)]


@pytest.mark.usefixtures("narrow")
def test_what_is_told_of_a_run_is_told_of_all_its_parts(store: fp.OfflineStore) -> None:
    done = fp.materialize(spending(source(daily(4)), windows=["1d"]), store)
    of_source, of_view = done["sources/orders"], done["views/spending"]
    assert of_source.rows == {f"2024-01-0{day}": 2 for day in range(1, 5)}
    assert of_view.rows == of_source.rows  # without the default row of each instant
    assert of_view.candidate.rows_in == of_source.candidate.rows_in == 8
    assert of_source.preview.height == of_view.preview.height == 5
    assert of_view.preview["customer"].null_count() == 0
    assert store.history("views/spending").height == 1


@pytest.mark.usefixtures("narrow")
def test_one_bad_row_in_the_last_part_refuses_all_and_leaves_no_file(store: fp.OfflineStore) -> None:
    rule = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)
    rows = pl.concat([daily(4), orders(("eve", at(3, 20), -1.0))])
    with pytest.raises(ExpectationsFailed):
        fp.materialize(last_order(source(rows, expectations=[rule])), store)
    assert not store.exists("sources/orders")
    assert list(Path(store.location("sources/orders").uri).rglob("*.parquet")) == []
    assert store.read("quarantine/sources/orders").collect().height == 1


@pytest.mark.usefixtures("narrow")
def test_a_function_that_fails_in_a_later_part_publishes_nothing(store: fp.OfflineStore) -> None:
    @fp.feature_view(entity=customer, source=source(daily(4)))
    def wrong(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(
            n=pl.when(pl.col("at") > at(3)).then(pl.lit("x")).otherwise(pl.lit("1")).cast(pl.Int64)
        )

    with pytest.raises(fp.FeaturePlatformError, match="views/wrong"):
        fp.materialize(wrong, store)
    assert not store.exists("views/wrong")
    assert list(Path(store.location("views/wrong").uri).rglob("*.parquet")) == []


def test_an_unpartitioned_source_is_taken_in_batches_and_keeps_its_order(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_platform.offline.staging.ROW_GROUP_ROWS", 3)
    rows = pl.concat([daily(5), orders(("eve", None, 1.0))]).sample(fraction=1.0, shuffle=True, seed=3)
    fp.materialize(last_order(source(rows, partitioned=False)), store)
    assert store.read("sources/orders").collect().equals(rows)


# ---------------------------------------------------------------- splitting


def test_partitions_are_cut_into_parts_by_their_values() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_VALUES", 10)
        assert parts_of({"a": 4, "b": 1, "c": 0, "d": 9, "e": 1}, 2) == [["a", "b", "c"], ["d"], ["e"]]
        assert parts_of({}, 2) == []


@settings(max_examples=tries(40), deadline=None)
@given(days=st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=60), cuts=st.sets(st.integers(1, 8)))
def test_a_split_gives_the_rows_of_partitions_in_their_order(days: list[int | None], cuts: set[int]) -> None:
    frame = pl.DataFrame(
        {"by": [None if day is None else at(day) for day in days]}, schema={"by": pl.Datetime("us", "UTC")}
    )
    frame = frame.with_row_index("n")
    edges = [0, *sorted(cuts), 9]
    asked = [[at(day) for day in range(low, high)] for low, high in pairwise(edges)]
    with split_into_parts(frame.lazy(), "by", asked) as load:
        for some in (part[start:] for part in asked for start in range(len(part))):
            assert load(some)["n"].to_list() == frame.filter(pl.col("by").is_in(some))["n"].to_list()
        assert load([]).columns == ["n"]


def test_a_split_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    frame = pl.LazyFrame({"by": [at(0), at(1)], "x": [1, 2]})

    def failing() -> Iterator[None]:
        with split_into_parts(frame, "by", [[at(0)], [at(1)]]) as load:
            assert load([at(1)])["x"].to_list() == [2]
            assert len(list(tmp_path.rglob("*.parquet"))) == 2
            raise KeyboardInterrupt
        yield  # type: ignore[unreachable]  # makes it a generator

    with pytest.raises(KeyboardInterrupt):
        next(failing())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("narrow")
def test_text_that_cannot_be_parsed_is_one_clear_error_however_it_is_read(store: fp.OfflineStore) -> None:
    texts = daily().with_columns(pl.col("amount").cast(pl.String).replace("10.0", "ten"))
    read = source(texts, prepare=lambda raw: raw.with_columns(pl.col("amount").cast(pl.Float64)))
    with pytest.raises(SourceUnreadable, match="ten"):
        fp.materialize(last_order(read), store)
