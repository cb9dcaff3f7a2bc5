"""The ledger of units only saves work: whatever happens to files, runs and the ledger, the table is that of one run."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.offline import CommitStamp
from feature_platform.parts.sources.files import OpenedFiles
from feature_platform.parts.sources.places import FileFacts
from feature_platform.pipelines.candidates.ledger import EVENTS
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, daily, orders

pytestmark = pytest.mark.usefixtures("unrecorded")

TABLE, LEDGER = "sources/orders", "units/orders"
DAY = st.integers(0, 4)
FILE = st.sampled_from(["a", "b", "c", "d"])
ROWS = st.lists(st.tuples(st.sampled_from(["ann", "bob", None]), DAY, st.sampled_from([None, 1.0, 2.0])), max_size=4)
STEP = st.one_of(
    st.tuples(st.just("write"), FILE, ROWS),
    st.tuples(st.just("touch"), FILE, FILE),
    st.tuples(st.just("rename"), FILE, FILE),
    st.tuples(st.just("remove"), FILE, FILE),
    st.tuples(st.just("code"), st.integers(0, 2), FILE),
    st.tuples(st.just("roll back"), st.integers(0, 5), FILE),
    st.tuples(st.just("lose the ledger"), FILE, FILE),
    st.tuples(st.just("stop at the ledger"), FILE, ROWS),
    st.tuples(st.just("stop at the commit"), FILE, ROWS),
)
PREPARED: list[Callable[[pl.LazyFrame], pl.LazyFrame] | None] = [
    None,
    lambda rows: rows.with_columns(pl.col("amount") + 1),
    lambda rows: rows.with_columns(pl.col("amount").max().over("at")),  # needs all rows of a moment
]
Unit = Literal["ms", "us", "ns"]
UNIT: st.SearchStrategy[Unit] = st.sampled_from(get_args(Unit))


class Stopped(Exception):
    """What a test stops a run with."""


@contextmanager
def stopped_at(step: str) -> Iterator[None]:
    """Stop the next run before it writes its ledger, or between the ledger and its commit."""
    name = "append" if step == "stop at the ledger" else "publish"
    write: Any = getattr(fp.OfflineStore, name)

    def stop(store: fp.OfflineStore, table: Any, *words: Any, **more: Any) -> Any:
        if step == "stop at the commit" or table == LEDGER:
            raise Stopped
        return write(store, table, *words, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fp.OfflineStore, name, stop)
        yield


class Folder:
    """Files of orders, a store that follows them by its ledger, and the code that prepares them."""

    def __init__(self, place: Path, unit: Unit) -> None:
        self.files, self.unit, self.code = place / "files", unit, 0
        self.store = fp.OfflineStore(place / "store")
        self.fresh = place / "fresh"
        self.files.mkdir()
        self.write("first", [("ann", 0, 1.0)])

    @property
    def source(self) -> fp.Source:
        return fp.Source(
            "orders", fp.sources.Parquet(self.files, gone="taken"), event_time="at", prepare=PREPARED[self.code]
        )

    def write(self, name: str, rows: list[tuple[str | None, int, float | None]]) -> None:
        frame = orders(*((customer, at(day, 12), amount) for customer, day, amount in rows))
        frame.with_columns(pl.col("at").dt.cast_time_unit(self.unit)).write_parquet(self.files / f"{name}.parquet")

    def do(self, step: str, first: Any, second: Any) -> None:
        file = self.files / f"{first}.parquet"
        match step:
            case "write" | "stop at the ledger" | "stop at the commit":
                self.write(first, second)
                if step != "write":
                    with stopped_at(step), pytest.raises(Stopped):
                        fp.materialize(self.source, self.store, at(0), at(5))
            case "touch" if file.exists():
                os.utime(file)
            case "rename" if file.exists():
                file.rename(self.files / f"{second}.parquet")
            case "remove" if file.exists():
                file.unlink()
            case "code":
                self.code = first
            case "roll back" if self.store.exists(TABLE):
                stamp = CommitStamp("test", TABLE, "")
                self.store.rollback(TABLE, first % (self.store.latest_version(TABLE) + 1), stamp=stamp)
                self.store.release(TABLE, stamp=stamp)
            case "lose the ledger":
                shutil.rmtree(self.store.location(LEDGER).uri, ignore_errors=True)

    def check(self) -> None:
        """Run with the ledger, and compare with one run of everything in a fresh store."""
        shutil.rmtree(self.fresh, ignore_errors=True)
        fresh = fp.OfflineStore(self.fresh)
        for store in (self.store, fresh):
            fp.materialize(self.source, store, at(0), at(5), gone="taken")
        states = [store.partition_states(TABLE) for store in (self.store, fresh)]
        assert {key: state.hash for key, state in states[0].items()} == {
            key: state.hash for key, state in states[1].items()
        }


@settings(derandomize=True, deadline=None, max_examples=tries(60), database=None)
@given(UNIT, st.lists(STEP, min_size=1, max_size=10))
def test_a_store_that_follows_files_by_its_ledger_has_what_one_run_of_everything_makes(
    unit: Unit, steps: list[tuple[str, Any, Any]]
) -> None:
    with TemporaryDirectory() as place:
        folder = Folder(Path(place), unit)
        folder.check()
        for step in steps:
            folder.do(*step)
            folder.check()


class Deaf(fp.sources.Parquet):
    """Files whose stamps never change, so that a file that is opened again shows."""

    def open_files(self, files: Mapping[str, FileFacts], owner: str) -> OpenedFiles:
        data = super().open_files(files, owner)
        units = [replace(unit, stamp="") for unit in data.units()]
        vars(data).update(units=lambda: units)
        return data


@pytest.mark.parametrize("prepare", PREPARED[:2], ids=["as it is", "prepared"])
def test_a_new_day_opens_no_old_file(
    tmp_path: Path, store: fp.OfflineStore, prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    read = fp.Source("orders", Deaf(folder), event_time="at", prepare=prepare)
    for day in range(6):
        daily(6).filter(pl.col("at").dt.day() == day + 1).write_parquet(folder / f"{day}.parquet")
        fp.materialize(read, store, at(day), at(day + 1))
        (folder / f"{day}.parquet").write_bytes(b"no Parquet any more")
        assert fp.materialize(read, store, at(day + 1), at(day + 2))[TABLE].rows == {f"2024-01-0{day + 2}": 0}
    assert store.read(TABLE).select(pl.len()).collect().item() == 12


def test_a_ledger_without_columns_is_completed_and_nothing_is_stale(tmp_path: Path, store: fp.OfflineStore) -> None:
    read = fp.Source("orders", fp.sources.Parquet(tmp_path / "*.parquet"), event_time="at")
    daily().write_parquet(tmp_path / "all.parquet")
    fp.materialize(read, store)
    events = store.read(LEDGER).drop("schema").collect()
    shutil.rmtree(store.location(LEDGER).uri)
    store.append(LEDGER, events, stamp=CommitStamp("test", LEDGER, ""))
    before = {key: state.hash for key, state in store.partition_states(TABLE).items()}
    assert fp.materialize(read, store)[TABLE].commit.changed == ()
    assert {key: state.hash for key, state in store.partition_states(TABLE).items()} == before
    assert set(EVENTS) == set(store.read(LEDGER).collect_schema())
    assert store.read(LEDGER).select(pl.col("schema").is_not_null().any()).collect().item()
