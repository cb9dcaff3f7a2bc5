"""What a column costs does not grow with the number of columns."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.profiles.profiling import Profiler
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.view import FeatureView
from feature_platform.offline.hashing import content_hashes_of, content_hashes_of_nothing
from feature_platform.offline.schema import added_columns, delta_schema, make_storable
from feature_platform.offline.statistics import statistics

FEW, MANY = 200, 1_600
AT = datetime(2024, 1, 1, tzinfo=UTC)


class Largest(fp.Max):
    """An aggregation of a user's own."""

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.values.max()


def frame(columns: int) -> pl.DataFrame:
    return pl.DataFrame({"k": [1, 2], "at": [AT, AT], **{f"x{each}": [0.5, float(each)] for each in range(columns)}})


def view(columns: int) -> FeatureView:
    source = fp.Source("wide", fp.sources.Frame(frame(columns)), event_time="at")

    @fp.feature_view(
        entity=fp.Entity("thing", join_keys=["k"]),
        source=source,
        aggregations=[Largest(f"x{each}", windows=["1d"]) for each in range(columns)],
    )
    def largest(wide: pl.LazyFrame) -> pl.LazyFrame:
        return wide

    return largest


def seconds(work: Callable[[], object]) -> float:
    """The least CPU seconds of this thread among some tries."""
    tries = []
    for _ in range(3):
        begun = time.thread_time()
        work()
        tries.append(time.thread_time() - begun)
    return min(tries)


def of_frame(work: Callable[[pl.DataFrame], object]) -> Callable[[int], Callable[[], object]]:
    def made(columns: int) -> Callable[[], object]:
        rows = frame(columns)
        return lambda: work(rows)

    return made


def of_schemas(columns: int) -> Callable[[], object]:
    schema = frame(columns).schema
    return lambda: (added_columns("wide", schema, schema), delta_schema(schema, delta_schema(schema)))


def of_view(columns: int) -> Callable[[], object]:
    made = view(columns)
    return lambda: code_of(made)


def profiled(rows: pl.DataFrame) -> object:
    profiler = Profiler()
    profiler.see("a", rows)
    return profiler.profiles({"a": "a hash"})


WORK = {
    "types": of_frame(lambda rows: make_storable("wide", rows)),
    "a table's columns": of_schemas,
    "hashes": of_frame(lambda rows: content_hashes_of([rows], [None])),
    "the hash of nothing": of_frame(lambda rows: content_hashes_of_nothing(rows.schema)),
    "statistics": of_frame(lambda rows: statistics([rows], rows.columns)),
    "profiles": of_frame(profiled),
    "code versions": of_view,
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_what_a_column_costs_does_not_grow_with_their_number(work: Callable[[int], Callable[[], object]]) -> None:
    few, many = seconds(work(FEW)), seconds(work(MANY))
    assert many < 3 * MANY / FEW * few + 0.02, f"{few:.4f} s for {FEW} columns, {many:.4f} s for {MANY}"
