"""What the log tells: who wrote which partition, what changed since, and how to go back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_platform.ground.content import rows_hash
from feature_platform.ground.errors import NotUtc, VersionNotFound
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform_tests.effort import tries
from feature_platform_tests.offline.conftest import STAMP, days, held, put

TABLE = "views/delays"


def foreign(store: OfflineStore, frame: pl.DataFrame, day: str) -> None:
    rows = frame.with_columns(fp_partition=pl.lit(day))
    write_deltalake(store.location(TABLE).uri, rows, mode="overwrite", predicate=f"fp_partition = '{day}'")


def test_history_tells_who_wrote_what_from_what(store: OfflineStore) -> None:
    put(store, days(d1=[1, 2], d2=[3]), "d1", "d2")
    put(store, days(d1=[1, 2], d2=[4]), "d1", "d2", stamp=CommitStamp("run-2", TABLE, "2", grain="daily"))
    newest, oldest = store.history(TABLE).to_dicts()
    assert (newest["version"], newest["run_id"], newest["code_version"], newest["foreign"]) == (
        1,
        "run-2",
        "2",
        False,
    )
    assert (oldest["partitions"], oldest["rows"], oldest["inputs"]) == (["d1", "d2"], 3, "sources/flights@3")
    assert store.history(TABLE).schema["timestamp"] == pl.Datetime("us", "UTC")


def test_the_state_of_a_partition_is_that_of_the_commit_that_wrote_it(store: OfflineStore) -> None:
    first = put(store, days(d1=[1, 2], d2=[3]), "d1", "d2")
    put(store, days(d2=[4]), "d2")
    states = store.partition_states(TABLE)
    assert {key: (state.version, state.rows) for key, state in states.items()} == {"d1": (0, 2), "d2": (1, 1)}
    assert states["d1"].hash == first.hashes["d1"]
    assert states["d1"].inputs == {"sources/flights": 3}
    assert store.partition_states(TABLE, 0)["d2"].version == 0


def test_a_foreign_write_is_reported_and_its_hash_unknown_until_written_again(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]), "d1", "d2")
    foreign(store, days(d1=[1]), "d1")
    state = store.partition_states(TABLE)["d1"]
    assert (state.hash, state.rows, state.version) == (None, 1, 1)
    assert store.history(TABLE)["foreign"].to_list() == [True, False]
    assert store.changed_since(TABLE, 0) == {"d1"}
    assert held(store) == [("d1", 1), ("d2", 2)]
    assert put(store, days(d1=[1], d2=[2]), "d1", "d2").changed == ("d1",)
    assert store.changed_since(TABLE, 0) == set()


def test_a_foreign_delete_and_an_optimize_make_hashes_unknown_and_a_vacuum_does_not(
    store: OfflineStore,
) -> None:
    put(store, days(d1=[1], d2=[2]), "d1", "d2")
    table = DeltaTable(store.location(TABLE).uri)
    table.delete("fp_partition = 'd1'")
    table.alter.set_table_properties({"delta.checkpointInterval": "9"})
    states = store.partition_states(TABLE)
    assert (states["d1"].hash, states["d1"].rows) == (None, 0)
    assert states["d2"].hash is not None


def test_a_table_somebody_else_made_can_be_read_and_taken_over(store: OfflineStore) -> None:
    rows = days(d1=[1]).with_columns(fp_partition=pl.lit("d1"))
    Path(store.location(TABLE).uri).parent.mkdir(parents=True)
    write_deltalake(store.location(TABLE).uri, rows, partition_by=["fp_partition"])
    assert store.partition_states(TABLE)["d1"].hash is None
    assert put(store, days(d1=[1]), "d1").changed == ("d1",)


def test_appended_rows_have_no_hash(store: OfflineStore) -> None:
    for _ in range(2):
        store.append("runs", pl.DataFrame({"a": [1]}), stamp=STAMP)
    state = store.partition_states("runs")[""]
    assert (state.hash, state.rows, state.version) == (None, 2, 1)


def test_a_rollback_is_a_commit_that_changes_back_and_rewrites_nothing(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]), "d1", "d2")
    put(store, days(d1=[9]), "d1")
    put(store, days(d3=[3]), "d3")
    files = set(Path(store.location(TABLE).uri).rglob("*.parquet"))
    commit = store.rollback(TABLE, 0, stamp=STAMP)
    assert (commit.version, commit.changed) == (3, ("d1", "d3"))
    assert set(Path(store.location(TABLE).uri).rglob("*.parquet")) == files
    assert held(store) == [("d1", 1), ("d2", 2)]
    assert store.changed_since(TABLE, 0) == set()
    assert store.changed_since(TABLE, 2) == {"d1", "d3"}
    assert put(store, days(d1=[1], d2=[2]), "d1", "d2").changed == ()
    assert store.rollback(TABLE, 3, stamp=STAMP).version == 3
    with pytest.raises(VersionNotFound, match="no version 8; it keeps 0 to 3"):
        store.rollback(TABLE, 8, stamp=STAMP)


def test_a_rollback_over_a_new_column_can_be_written_on(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d1=[1]).with_columns(y=pl.lit(1)), "d1")
    store.rollback(TABLE, 0, stamp=STAMP)
    put(store, days(d1=[1]).with_columns(y=pl.lit(2)), "d1")
    assert store.read(TABLE).select("y").collect().item() == 2
    assert store.partition_states(TABLE)["d1"].version == 3


def test_a_time_finds_the_version_that_was_newest_then(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d1=[2]), "d1")
    first, second = store.history(TABLE).sort("version")["timestamp"].to_list()
    assert store.version_at(TABLE, second + timedelta(days=1)) == 1
    assert store.read(TABLE, timestamp=second).collect()["x"].item() == 2
    with pytest.raises(VersionNotFound, match="no version at 2000"):
        store.version_at(TABLE, datetime(2000, 1, 1, tzinfo=UTC))
    with pytest.raises(NotUtc):
        store.version_at(TABLE, datetime(2000, 1, 1))
    assert first <= second


def test_the_log_is_numbered_rightly_for_an_older_version(store: OfflineStore) -> None:
    for value in range(70):
        put(store, days(**{f"d{value % 7}": [value]}), f"d{value % 7}")
    assert store.partition_states(TABLE, 10)["d3"].version == 10
    assert store.partition_states(TABLE)["d0"].version == 63
    assert put(store, days(d6=[69]), "d6").changed == ()


WRITES = st.lists(
    st.dictionaries(st.sampled_from(["d1", "d2", "d3"]), st.lists(st.integers(0, 2), max_size=2), min_size=1),
    min_size=1, max_size=4
)  # fmt: skip


@settings(max_examples=tries(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES, back=st.integers(0, 3), data=st.data())
def test_history_agrees_with_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[dict[str, list[int]]],
    back: int,
    data: st.DataObject,
) -> None:
    """The law of states: hashes recomputed from the rows of every version are those the log tells."""
    store = OfflineStore(tmp_path_factory.mktemp("law"))
    for content in writes:
        put(store, days(**content), *content)
    store.rollback(TABLE, min(back, store.latest_version(TABLE)), stamp=STAMP)
    for content in writes[:1]:
        put(store, days(**content), *content)
    latest = store.latest_version(TABLE)
    told = {at: store.partition_states(TABLE, at) for at in range(latest + 1)}
    for at in range(latest + 1):
        rows = store.read(TABLE, version=at, partition_column=True).collect()
        groups = rows.sort("x").group_by("fp_partition", maintain_order=True)
        found = {key: rows_hash(group.drop("fp_partition")) for (key,), group in groups}
        assert {key: state.hash for key, state in told[at].items() if state.rows} == found
        assert store.changed_since(TABLE, at) == {
            key
            for key in {*told[at], *told[latest]}
            if sorted(row for row in held(store, at) if row[0] == key)
            != sorted(row for row in held(store) if row[0] == key)
        }


@settings(max_examples=tries(15), deadline=None)
@given(
    content=st.dictionaries(st.sampled_from(["d1", "d2", "d3"]), st.lists(st.integers(0, 5), max_size=3), min_size=1)
)
def test_partitions_one_by_one_are_the_same_as_all_at_once(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, list[int]]
) -> None:
    at_once, one_by_one = (OfflineStore(tmp_path_factory.mktemp("law")) for _ in range(2))
    whole = put(at_once, days(**content), *content)
    hashes: dict[str, str] = {}
    for key, values in content.items():
        hashes |= put(one_by_one, days(**{key: values}), key).hashes
    assert hashes == whole.hashes
    assert held(one_by_one) == held(at_once)
    again = put(at_once, days(**content).reverse(), *content)
    assert (again.version, again.changed, again.hashes) == (0, (), whole.hashes)


def made_anew(store: OfflineStore) -> None:
    """The table is removed, and there is another of more versions."""
    store.drop(TABLE)
    for number in (1, 2, 3):
        put(store, days(d2=[number]), "d2")


@pytest.mark.parametrize(
    ("happens", "found"),
    [
        (lambda store: put(store, days(d2=[3]), "d2"), {"d1": (0, 1), "d2": (1, 1)}),
        (lambda store: store.drop(TABLE), {"d1": (0, 1), "d2": (0, 1)}),
        (made_anew, {"d2": (2, 1)}),
    ],
)
def test_what_is_written_while_a_log_is_read_is_never_mixed_with_what_was_there(
    store: OfflineStore,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[OfflineStore], object],
    found: dict[str, tuple[int, int]],
) -> None:
    put(store, days(d1=[1], d2=[2]), "d1", "d2")
    read = DeltaTable.history

    def reading(table: DeltaTable, limit: int | None = None) -> list[dict[str, object]]:
        entries = read(table, limit)
        monkeypatch.setattr(DeltaTable, "history", read)
        happens(store)
        return entries

    monkeypatch.setattr(DeltaTable, "history", reading)
    assert {key: (state.version, state.rows) for key, state in store.partition_states(TABLE).items()} == found
