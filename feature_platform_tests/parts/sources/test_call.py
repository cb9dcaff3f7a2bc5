"""Sources of what a function returns: when it is called, what tells of changes, and its code."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.project import Project
from feature_platform.ground.errors import InvalidDeclaration, NotUtc, SourceUnreadable
from feature_platform.ground.frames import AnyFrame
from feature_platform.parts.sources import Call
from feature_platform.pipelines.plan import stale_assets
from feature_platform_tests.shop import at, daily


class Service:
    """What answers calls from a folder, and counts them there; the function holds nothing but the path."""

    def __init__(self, folder: Path) -> None:
        self.rows, self.log = str(folder / "rows.parquet"), str(folder / "calls")
        self.put(daily())

    def put(self, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.rows)

    @property
    def calls(self) -> int:
        return len(Path(self.log).read_text())

    def source(self, *, told: bool, partitioned: bool = True) -> fp.Source:
        rows, log = self.rows, self.log

        def fetch() -> pl.DataFrame:
            with Path(log).open("a") as calls:
                calls.write(".")
            return pl.read_parquet(rows)

        def edition() -> int:
            return Path(rows).stat().st_mtime_ns

        connector = Call(fetch, changes=edition if told else None)
        return fp.Source("orders", connector, event_time="at", partitioned=partitioned)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("partitioned", [True, False])
def test_what_a_function_returns_is_published_and_followed(
    store: fp.OfflineStore, tmp_path: Path, told: bool, partitioned: bool
) -> None:
    service = Service(tmp_path)
    source = service.source(told=told, partitioned=partitioned)
    fp.materialize(source, store)
    assert fp.materialize(source, store)["sources/orders"].commit.changed == ()
    assert stale_assets(Project("shop", fp.Partitions(), (source,)), store) == []
    service.put(daily().with_columns(pl.when(pl.col("at") < at(1)).then(50.0).otherwise("amount").alias("amount")))
    [stale] = stale_assets(Project("shop", fp.Partitions(), (source,)), store)
    assert set(stale.due_partitions) == ({"2024-01-01"} if partitioned else {""})
    changed = fp.materialize(source, store)["sources/orders"].commit.changed
    assert changed == (("2024-01-01",) if partitioned else ("",))


def test_a_function_is_not_called_while_nothing_changed(store: fp.OfflineStore, tmp_path: Path) -> None:
    service = Service(tmp_path)
    source = service.source(told=True)
    fp.materialize(source, store, at(0), at(5))
    calls = service.calls
    assert stale_assets(Project("shop", fp.Partitions("daily", start=at(0), end=at(5)), (source,)), store) == []
    assert service.calls == calls == 1


def test_a_run_calls_the_function_once(store: fp.OfflineStore, tmp_path: Path) -> None:
    service = Service(tmp_path)
    fp.materialize(service.source(told=False), store)
    assert service.calls == 1


def test_the_code_of_the_function_is_part_of_the_code_version() -> None:
    def one() -> AnyFrame:
        return {"x": [1]}

    def two() -> AnyFrame:
        return {"x": [2]}

    def version(function: Callable[[], AnyFrame]) -> str:
        return code_version(fp.Source("numbers", Call(function), event_time=None, partitioned=False))

    assert version(one) != version(two)
    assert version(one) == version(one)


def test_what_is_no_frame_or_function_is_refused(store: fp.OfflineStore) -> None:
    with pytest.raises(InvalidDeclaration, match="Connector Call was given something that is no function"):
        Call(pl.DataFrame())  # type: ignore[arg-type]
    wrong = fp.Source("numbers", Call(lambda: 3), event_time=None, partitioned=False)  # type: ignore[arg-type, return-value]
    with pytest.raises(InvalidDeclaration, match=r"Source `numbers`: what .*lambda.* returns"):
        fp.materialize(wrong, store)
    naive = Call(lambda: daily().with_columns(pl.col("at").dt.replace_time_zone(None)))
    with pytest.raises(NotUtc):
        fp.materialize(fp.Source("orders", naive, event_time="at"), store)
    assert set(store.tables()) <= {"runs"}


@pytest.mark.parametrize("partitioned", [True, False])
def test_an_error_of_the_function_is_told_as_what_it_is(store: fp.OfflineStore, partitioned: bool) -> None:
    def fail() -> AnyFrame:
        raise TimeoutError("the service does not answer")

    def stumble() -> AnyFrame:
        raise KeyError("rates")

    source = fp.Source("orders", Call(fail), event_time="at")
    with pytest.raises(
        SourceUnreadable, match=r"the service does not answer. See what the function of the source does"
    ):
        fp.materialize(source, store)
    with pytest.raises(KeyError, match="rates"):
        fp.materialize(fp.Source("orders", Call(stumble), event_time="at"), store)
