"""What databases lean on in Polars' resolver of lazy frames, which is unstable, and in its scans of Arrow streams."""

from datetime import date, datetime, timezone

import polars as pl
import pytest
from polars._typing import EngineType
from polars.lazyframe.resolver import FilterExpr, LazyFrameResolver, ResolvedLazyFrameProps

ROWS = pl.DataFrame(
    {
        "n": [1, 2, None],
        "t": ["a", "it's", None],
        "at": [datetime(2024, 1, day, tzinfo=timezone.utc) for day in (1, 2, 3)],
        "d": [date(2024, 1, 1), None, date(1969, 1, 1)],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)


class Noting(LazyFrameResolver):
    """Rows that note what they are asked for."""

    def __init__(self) -> None:
        self.filters: list[str | None] = []
        self.columns: list[str] | None = None
        self.limit: int | None = None

    def schema(self) -> pl.Schema:
        return ROWS.schema

    def resolve_lazyframe(
        self,
        *,
        projection: list[str] | None,
        limit: int | None,
        filters: list[FilterExpr],
        filter_columns: list[str],
        filter_drop_columns_idx: int | None,
        existing_resolved_version_key: str | None,
    ) -> tuple[pl.LazyFrame, ResolvedLazyFrameProps]:
        self.filters, self.columns, self.limit = [each.pyarrow_str for each in filters], projection, limit
        rows = ROWS.lazy() if projection is None else ROWS.lazy().select(projection)
        return rows, ResolvedLazyFrameProps()


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_each_conjunct_comes_by_itself_and_polars_filters_what_was_not_applied(engine: EngineType) -> None:
    rows = Noting()
    moment = datetime(2024, 1, 2, tzinfo=timezone.utc)
    wanted = (pl.col("n") > 1, pl.col("t") == "it's", pl.col("at") >= moment)

    found = rows.lazy().filter(*wanted).select("d").collect(engine=engine)

    assert found.rows() == [(None,)]
    assert set(rows.filters) == {
        "(pa.compute.field('n') > 1)",
        None,  # a text with a quote is not said
        "(pa.compute.field('at') >= to_py_datetime(1704153600000000,'us','UTC'))",
    }
    assert rows.columns is not None
    assert set(rows.columns) == {"n", "t", "at", "d"}


def test_dates_lists_and_limits_come_as_they_are() -> None:
    rows = Noting()

    rows.lazy().filter(pl.col("d") == date(1969, 1, 1), pl.col("n").is_in([1, 2])).collect()

    assert set(rows.filters) == {"(pa.compute.field('d') == to_py_date(-365))", "(pa.compute.field('n')).isin([1,2])"}
    rows.lazy().head(2).collect()
    assert rows.limit == 2


def test_a_stream_of_arrow_is_read_in_batches_without_pyarrow() -> None:
    batches = pl.scan_arrow_c_stream(ROWS).collect_batches(maintain_order=True, engine="streaming")

    assert pl.concat(batches).equals(ROWS)
