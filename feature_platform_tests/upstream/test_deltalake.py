"""What the offline store leans on in deltalake and Polars; a failure here means that they changed."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError


def keyed(*keys: str, x: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"x": [x] * len(keys), "p": list(keys)}, schema={"x": pl.Int64, "p": pl.String})


@pytest.fixture
def table(tmp_path: Path) -> DeltaTable:
    write_deltalake(tmp_path / "t", keyed("a", "b"), partition_by=["p"])
    return DeltaTable(tmp_path / "t")


def fresh(table: DeltaTable) -> DeltaTable:
    return DeltaTable(table.table_uri)


def overwrite(table: DeltaTable, *keys: str, x: int, retries: int | None = None) -> None:
    predicate = f"p IN ({', '.join(repr(key) for key in keys)})"
    commit = CommitProperties(max_commit_retries=retries)
    write_deltalake(table, keyed(*keys, x=x), mode="overwrite", predicate=predicate, commit_properties=commit)


def rows(table: DeltaTable) -> list[tuple[object, ...]]:
    return sorted(pl.scan_delta(fresh(table)).collect().rows())


def test_append_casts_silently(tmp_path: Path) -> None:
    """Why schemas are compared before every write."""
    write_deltalake(tmp_path / "t", pl.DataFrame({"x": [1]}))
    write_deltalake(tmp_path / "t", pl.DataFrame({"x": [1.5]}), mode="append")
    assert sorted(pl.read_delta(tmp_path / "t")["x"].to_list()) == [1, 1]


def test_overwrite_by_predicate_replaces_only_that_and_keeps_the_other_files(table: DeltaTable) -> None:
    before = set(table.file_uris())
    overwrite(table, "a", x=1)
    assert rows(table) == [(0, "b"), (1, "a")]
    assert len(before & set(table.file_uris())) == 1


def test_overwrite_by_predicate_with_no_rows_empties(table: DeltaTable) -> None:
    write_deltalake(table, keyed(), mode="overwrite", predicate="p = 'a'")
    assert rows(table) == [(0, "b")]


def test_overwrite_refuses_rows_outside_its_predicate(table: DeltaTable) -> None:
    with pytest.raises(DeltaError, match="failed validation"):
        write_deltalake(table, keyed("c"), mode="overwrite", predicate="p = 'a'")


def test_commit_metadata_shows_in_history_with_its_structure(table: DeltaTable) -> None:
    commit = CommitProperties(custom_metadata={"own.key": {"a": {"hash": "x", "rows": 1}}})
    write_deltalake(table, keyed(), mode="append", commit_properties=commit)
    newest = fresh(table).history(1)[0]
    assert (newest["version"], newest["own.key"]) == (1, {"a": {"hash": "x", "rows": 1}})


def test_history_misnumbers_commits_of_a_table_that_is_not_at_its_newest_version(table: DeltaTable) -> None:
    """Why the log is read again until nobody commits meanwhile."""
    stale = fresh(table)
    overwrite(table, "a", x=1)
    assert [entry["version"] for entry in stale.history()] == [0, -1]


def test_overwrites_of_disjoint_partitions_do_not_conflict_and_of_the_same_one_do(table: DeltaTable) -> None:
    first, disjoint, same = fresh(table), fresh(table), fresh(table)
    overwrite(first, "a", x=1)
    overwrite(disjoint, "b", x=2)
    assert disjoint.version() == 2
    with pytest.raises(CommitFailedError, match="concurrent"):
        overwrite(same, "a", x=3)
    assert rows(table) == [(1, "a"), (2, "b")]


def test_two_first_writes_of_an_empty_partition_conflict(table: DeltaTable) -> None:
    first, second = fresh(table), fresh(table)
    overwrite(first, "c", x=1)
    with pytest.raises(CommitFailedError, match="concurrent"):
        overwrite(second, "c", x=2)


def test_an_overwrite_without_predicate_loses_no_race_unless_it_may_not_retry(table: DeltaTable) -> None:
    """Why whole tables are replaced with `max_commit_retries=0`: otherwise both writers' rows stay."""
    first, whole, exclusive = fresh(table), fresh(table), fresh(table)
    overwrite(first, "c", x=1)
    with pytest.raises(CommitFailedError):
        write_deltalake(
            exclusive,
            keyed("z", x=9),
            mode="overwrite",
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    write_deltalake(whole, keyed("z", x=9), mode="overwrite")
    assert rows(table) == [(1, "c"), (9, "z")]


def test_creators_that_may_not_retry_leave_one_table(tmp_path: Path) -> None:
    """With retries two creators can both succeed, and the table holds the rows of both."""
    barrier, lost = threading.Barrier(4), []

    def create(x: int) -> None:
        barrier.wait()
        try:
            write_deltalake(
                tmp_path / "t", keyed("a", x=x), partition_by=["p"], mode="error",
                commit_properties=CommitProperties(max_commit_retries=0),
            )  # fmt: skip
        except DeltaError as error:
            lost.append(error)

    threads = [threading.Thread(target=create, args=(x,)) for x in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(lost), pl.read_delta(tmp_path / "t").height) == (3, 1)
    assert all(isinstance(error, CommitFailedError) or "already exists at" in str(error) for error in lost)


def test_appends_never_conflict(table: DeltaTable) -> None:
    first, second = fresh(table), fresh(table)
    write_deltalake(first, keyed("a", x=1), mode="append")
    write_deltalake(second, keyed("a", x=2), mode="append")
    assert fresh(table).version() == 2


def test_restore_is_a_commit_with_metadata_and_a_stale_one_conflicts(table: DeltaTable) -> None:
    overwrite(table, "a", x=1)
    stale = fresh(table)
    overwrite(table, "a", x=2)
    with pytest.raises(CommitFailedError):
        stale.restore(0)
    table.restore(0, commit_properties=CommitProperties(custom_metadata={"own": "x"}))
    assert (table.version(), fresh(table).history(1)[0]["own"]) == (3, "x")
    assert rows(table) == [(0, "a"), (0, "b")]


def test_a_time_before_the_first_version_opens_the_first(table: DeltaTable) -> None:
    """Why the store finds the version of a time itself."""
    table.load_as_version(datetime(2000, 1, 1, tzinfo=UTC))
    assert table.version() == 0


def test_an_unknown_table_property_is_refused_and_a_description_kept(tmp_path: Path) -> None:
    """Why the grain is in the description."""
    with pytest.raises(DeltaError, match=r"feature_platform\.grain"):
        write_deltalake(tmp_path / "t", keyed("a"), configuration={"feature_platform.grain": "daily"})
    write_deltalake(tmp_path / "u", keyed("a"), description="grain")
    write_deltalake(tmp_path / "u", keyed("a").with_columns(y=1), mode="append", schema_mode="merge")
    assert DeltaTable(tmp_path / "u").metadata().description == "grain"


def test_no_table_no_log_and_no_version_are_told_apart(table: DeltaTable, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for missing in ("none", "empty"):
        with pytest.raises(TableNotFoundError):
            DeltaTable(tmp_path / missing)
    with pytest.raises(DeltaError) as error:
        DeltaTable(table.table_uri, version=9)
    assert not isinstance(error.value, TableNotFoundError)


def test_rows_of_a_file_keep_their_order(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": range(300_000)}).with_columns(p=pl.lit("a"))
    write_deltalake(tmp_path / "t", frame, partition_by=["p"])
    write_deltalake(tmp_path / "t", frame, mode="overwrite", predicate="p = 'a'")
    assert pl.read_delta(tmp_path / "t")["x"].is_sorted()


def test_vacuum_spares_young_files_that_no_version_names(table: DeltaTable, tmp_path: Path) -> None:
    young = tmp_path / "t" / "p=a" / "part-00000-young.parquet"
    young.write_bytes(b"")
    table.vacuum(dry_run=False, full=True)
    assert young.exists()


@pytest.mark.parametrize("key", ["2013-01-01-05:00", "us|eu", "a+b", "a.b", "007", "null"])
def test_a_partition_key_comes_back_as_it_was_written(tmp_path: Path, key: str) -> None:
    write_deltalake(tmp_path / "t", keyed(key), partition_by=["p"])
    write_deltalake(tmp_path / "t", keyed(key, x=1), mode="overwrite", predicate=f"p IN ('{key}')")
    assert pl.scan_delta(tmp_path / "t").filter(pl.col("p") == key).collect().rows() == [(1, key)]


def test_polars_skips_the_files_of_other_partitions(table: DeltaTable) -> None:
    plan = pl.scan_delta(table).filter(pl.col("p").is_in(["a"])).select("x").explain()
    assert "p=a" in plan
    assert "p=b" not in plan


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        ([float("nan"), 1.0], pl.col("x").is_nan()),
        ([float("inf"), 1.0], pl.col("x") > 5),
        ([-0.0], pl.col("x") >= 0.0),
        (["é" * 200 + "z"], pl.col("x") > "é" * 199),
        ([2**63 - 1, 2**53 + 1], pl.col("x") == 2**53 + 1),
        (
            [datetime(2020, 1, 1, 0, 0, 0, 107456, tzinfo=UTC)],
            pl.col("x") > datetime(2020, 1, 1, 0, 0, 0, 107200, tzinfo=UTC),
        ),
    ],
)
def test_statistics_never_hide_a_row(tmp_path: Path, values: list[object], condition: pl.Expr) -> None:
    """The log truncates times to milliseconds and long text, and knows neither NaN nor infinity."""
    write_deltalake(tmp_path / "t", pl.DataFrame({"x": values}))
    assert pl.scan_delta(tmp_path / "t").filter(condition).collect().height == 1


def test_polars_opens_tables_through_the_constructor_of_deltalake(
    table: DeltaTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    original = DeltaTable.__init__

    def noting(self: DeltaTable, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]
        opened.append(threading.current_thread().name)

    monkeypatch.setattr(DeltaTable, "__init__", noting)
    pl.scan_delta(table.table_uri).collect()
    assert len(opened) == 1
    assert opened != [threading.current_thread().name]  # a thread of Polars, without our context


def test_log_and_file_retention_are_kept(table: DeltaTable) -> None:
    overwrite(table, "a", x=1)
    assert table.vacuum(dry_run=True) == []  # a week by default
    assert len(table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False)) == 1
    table.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 365 days"})
    with pytest.raises(DeltaError, match="retention"):
        table.vacuum(retention_hours=int(timedelta(days=30).total_seconds() // 3600), dry_run=True)
