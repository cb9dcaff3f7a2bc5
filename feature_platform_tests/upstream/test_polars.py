"""What joins, windows and imputation lean on in Polars; a failure here means that it changed."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars._typing import EngineType
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

ROWS = pl.DataFrame({"key": [number % 7 for number in range(1000)], "x": range(1000)})


class OwnError(Exception):
    """Not one of Polars."""


def test_two_collects_of_one_scan_give_the_rows_in_the_same_order(tmp_path: Path) -> None:
    for number in range(5):
        ROWS.with_columns(x=pl.col("x") + 1000 * number).write_parquet(
            tmp_path / f"{number}.parquet", row_group_size=64
        )
    scan = pl.scan_parquet(tmp_path / "*.parquet").filter(pl.col("key") != 3)

    keys, values = pl.collect_all([scan.select("key")])[0], scan.select("x").collect()

    assert_frame_equal(pl.concat([keys, values], how="horizontal"), scan.collect())
    assert values["x"].is_sorted()


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_python_source_is_asked_for_what_is_used_and_may_collect_others(engine: EngineType) -> None:
    asked = []

    def rows(
        names: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        asked.append((names, limit))
        nested = ROWS.lazy().sort("x").collect().select(names or ROWS.columns)
        for part in nested.iter_slices(300):
            yield part if predicate is None else part.filter(predicate)

    frame = register_io_source(rows, schema=ROWS.schema, is_pure=True)

    assert frame.select("x").collect(engine=engine)["x"].to_list() == list(range(1000))
    assert frame.filter(pl.col("x") > 997).collect(engine=engine)["x"].to_list() == [998, 999]
    assert frame.select(pl.len()).collect(engine=engine).item() == 1000
    assert asked[0][0] == ["x"]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_an_error_of_a_python_source_arrives_as_it_is(engine: EngineType) -> None:
    def failing(*_: object) -> Iterator[pl.DataFrame]:
        yield ROWS
        raise OwnError("the culprit")

    frame = register_io_source(failing, schema=ROWS.schema)

    with pytest.raises(OwnError, match="the culprit"):
        frame.collect(engine=engine)


def test_frames_without_columns_keep_their_height() -> None:
    assert pl.DataFrame(height=5).height == 5
    assert ROWS.drop("key", "x")[[3, 4]].height == 2
    assert pl.DataFrame(height=1000).hstack([ROWS["x"]]).shape == (1000, 1)


def test_gathering_a_null_place_gives_a_null() -> None:
    assert ROWS.select(pl.col("x").gather(pl.Series([4, None, 0], dtype=pl.UInt32)))["x"].to_list() == [4, None, 0]


def test_groups_keep_the_order_of_their_rows() -> None:
    grouped = ROWS.group_by("key", maintain_order=True).agg("x")

    assert all(values.is_sorted() for values in grouped["x"])


def test_a_rolling_median_without_end_is_that_of_all_rows_so_far() -> None:
    values = pl.Series([5.0, 1.0, 3.0, 2.0])

    assert values.rolling_median(window_size=2**32 - 2, min_samples=1).to_list() == [5.0, 3.0, 3.0, 2.5]


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        (pl.col("x") + 1, True),
        (pl.when(pl.col("x") > 1).then(pl.col("x")), True),
        (pl.col("x").mean(), False),
        (pl.col("x") - pl.col("x").mean(), False),
        (pl.col("x") + pl.len(), False),
        (pl.col("x").shift(), False),
        (pl.col("x").sum().over("x"), False),
    ],
)
def test_a_filter_passes_below_a_new_column_only_where_that_is_made_row_by_row(
    expression: pl.Expr, *, passes: bool
) -> None:
    plan = ROWS.lazy().with_columns(y=expression).filter(pl.col("key") > 0).explain()

    assert plan.lstrip().startswith("WITH_COLUMNS" if passes else "FILTER")


def test_lists_forget_what_is_in_them_where_all_are_null_and_the_column_is_reversed() -> None:
    """Where this fails, `entries` needs no cast any more."""
    lists = pl.Series([None, None], dtype=pl.List(pl.Int64))

    assert lists.reverse().dtype == pl.List(pl.Null)
    assert lists.reverse().cast(lists.dtype).dtype == lists.dtype
