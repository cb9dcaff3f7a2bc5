"""Damage after power cuts and restored backups: told in one sentence, mended by a run or by the doctor."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.access import create_key
from feature_platform.declarations.project import Project
from feature_platform.ground.errors import TableDamaged, TableUnreadable
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.offline import CommitStamp
from feature_platform.online import Lmdb
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.upkeep.doctor import ExaminedPlaces, StoreFault, examine
from feature_platform_tests.cli.test_cli import said
from feature_platform_tests.shop import at, daily, last_order, orders, source, spending

RAW, VIEW = "sources/orders", "views/spending"
READ = source(daily())
SPENDING = spending(READ)
PROJECT = Project("shop", fp.Partitions(), (READ, SPENDING))


@pytest.fixture
def places(store: fp.OfflineStore, tmp_path: Path) -> ExaminedPlaces:
    """A store with a source of five days and a view."""
    fp.materialize(SPENDING, store)
    return ExaminedPlaces(
        store, Lmdb(tmp_path / "online"), AlertStore(tmp_path / "alerts"), tmp_path / "spool", tmp_path / "access"
    )


def log(places: ExaminedPlaces, table: str) -> Path:
    return Path(places.store.root) / "offline" / table / "_delta_log"


def first_file(places: ExaminedPlaces, table: str) -> Path:
    """The data file of the first day."""
    return next(file for file in sorted(log(places, table).parent.glob("fp_partition=*/*.parquet")))


def found(places: ExaminedPlaces, *, deep: bool = False) -> list[StoreFault]:
    return list(examine(PROJECT, places, deep=deep))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def zeros_within(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:4] + bytes(len(content) // 3) + content[4 + len(content) // 3 :])


DAMAGES: dict[str, Callable[[Path], None]] = {"missing": Path.unlink, "cut": cut, "empty": empty, "zeros": zeros}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_of_a_partition_writes_anew_the_file_that_is_damaged(places: ExaminedPlaces, damage: str) -> None:
    before = places.store.read(RAW).collect().sort("at", "customer")
    DAMAGES[damage](first_file(places, RAW))

    with pytest.raises(TableDamaged, match=rf"{RAW} 2024-01-01: .* The next run of the partition writes it anew"):
        materialize_asset(spending(READ, delay="1h"), places.store, None, fp.Partitions())  # reads all of the source
    with pytest.raises(TableDamaged, match=f"{RAW} 2024-01-01"):
        fp.publish(spending(READ, accuracy="exact"), places.store, places.online, now=at(2))
    [told] = found(places)
    assert told.what.startswith(f"{RAW} 2024-01-01: fp_partition=2024-01-01/part-")

    done = fp.materialize(READ, places.store, at(0), at(1))

    assert done[RAW].commit is not None
    assert done[RAW].commit.changed == ("2024-01-01",)
    assert done[RAW].commit.unrepeatable == ()
    assert places.store.read(RAW).collect().sort("at", "customer").equals(before)
    assert found(places) == []
    assert fp.materialize(SPENDING, places.store)[VIEW].commit.changed == ()  # the rows are the same: nothing is stale


def test_damage_inside_a_file_is_found_by_the_hash_put_aside_and_written_anew(places: ExaminedPlaces) -> None:
    zeros_within(first_file(places, RAW))
    assert found(places) == []
    with pytest.raises(TableDamaged, match=f"A file of .*{RAW}.* cannot be read .*doctor --deep"):
        fp.materialize(READ, places.store)

    [told] = found(places, deep=True)
    assert "holds other rows than were written" in told.what
    assert told.mend is not None
    aside = Path(told.mend())

    assert aside.is_file()
    assert aside.relative_to(places.store.root).parts[0] == "damaged"
    assert fp.materialize(READ, places.store)[RAW].commit.changed == ("2024-01-01",)
    assert found(places, deep=True) == []


@pytest.mark.parametrize("damage", [cut, empty, zeros])
def test_a_newest_commit_that_was_cut_short_is_put_aside_and_a_run_makes_the_rest_anew(
    places: ExaminedPlaces, damage: Callable[[Path], None]
) -> None:
    more = source(orders(*daily().rows(), ("eve", at(5, 12), 7.0)))
    fp.materialize(more, places.store)
    after = places.store.read(RAW).collect().sort("at", "customer")
    damage(sorted(log(places, RAW).glob("*.json"))[-1])

    if damage is not empty:  # which Delta takes for a commit that does nothing
        with pytest.raises(TableUnreadable, match="feature-platform doctor") as told:
            places.store.read(RAW).collect()
        assert "start_thread" not in str(told.value)
    [damaged] = found(places)
    assert "is a commit that was cut short" in damaged.what
    assert "the table is then at version 0" in damaged.what
    assert damaged.mend is not None
    damaged.mend()

    assert found(places) == []
    assert places.store.read(RAW).collect().height == 10
    assert fp.materialize(more, places.store)[RAW].commit.changed == ("2024-01-06",)
    assert places.store.read(RAW).collect().sort("at", "customer").equals(after)


def test_a_table_without_any_commit_that_is_whole_is_put_aside_and_made_anew(places: ExaminedPlaces) -> None:
    for commit in log(places, VIEW).glob("*.json"):
        empty(commit)
    for each in found(places):
        assert each.mend is not None
        each.mend()
    assert not places.store.exists(VIEW)
    assert fp.materialize(SPENDING, places.store)[VIEW].commit.version == 0


def test_a_damaged_checkpoint_goes_where_the_commits_say_the_same(places: ExaminedPlaces) -> None:
    places.store.maintain(RAW)
    before = places.store.read(RAW).collect()
    zeros(next(log(places, RAW).glob("*.checkpoint.parquet")))

    for each in found(places):
        assert "checkpoint" in each.what
        if each.mend is not None:
            each.mend()

    assert found(places) == []
    assert places.store.read(RAW).collect().equals(before)


def test_a_commit_in_the_middle_cannot_be_mended_and_says_so(places: ExaminedPlaces) -> None:
    for amount in (1.0, 2.0):
        fp.materialize(source(daily().with_columns(pl.col("amount") + amount)), places.store)
    empty(log(places, RAW) / f"{1:020}.json")

    [told] = found(places)

    assert told.mend is None
    assert "restore the table from a copy" in told.what


def test_a_damaged_file_of_a_log_is_taken_out_of_it(places: ExaminedPlaces) -> None:
    for row in (1, 2):
        places.store.append("quarantine/views/spending", pl.DataFrame({"n": [row]}), stamp=CommitStamp("r", VIEW, ""))
    table = "quarantine/views/spending"
    cut(next(log(places, table).parent.glob("*.parquet")))

    [told] = found(places)
    assert "its rows are lost" in told.what
    assert told.mend is not None
    told.mend()

    assert found(places) == []
    assert places.store.read(table).collect().height == 1


def test_keys_and_alerts_that_cannot_be_read_are_told(places: ExaminedPlaces) -> None:
    create_key(places.access, "me", ["push"], at(0))
    cut(places.access / "keys.json")
    places.alerts.path.parent.mkdir(parents=True)
    places.alerts.path.write_bytes(b"no database, and long enough to be looked at" * 100)

    keys, alerts = found(places)

    assert "keys.json" in keys.what
    assert "Until then every request is refused" in keys.what
    assert str(places.alerts.path) in alerts.what


def test_an_online_store_ahead_of_a_restored_offline_store_is_told_and_published_anew(
    places: ExaminedPlaces, tmp_path: Path
) -> None:
    store, online = places.store, places.online
    last = last_order(READ)
    fp.materialize(last, store)
    shutil.copytree(store.root, tmp_path / "backup")

    def amounts() -> list[float | None]:
        asked = {"customer": ["ann", "bob"]}
        return fp.online_features(last, asked, online, now=at(9))["last_amount"].to_list()

    def write(amount: float) -> None:
        fp.materialize(last_order(source(daily().with_columns(amount=pl.lit(amount)))), store)

    write(500.0)
    fp.publish(last, store, online, now=at(9))
    assert amounts() == [500.0, 500.0]
    shutil.rmtree(store.root)
    shutil.copytree(tmp_path / "backup", store.root)

    [told] = found(places)
    assert "The offline store does not have that version" in told.what
    fp.publish(last, store, online, now=at(9))
    assert amounts() == [10.0, 5.0]
    assert found(places) == []

    write(7.0)  # the same version number as before, with other rows
    fp.publish(last, store, online, now=at(9))
    shutil.rmtree(store.root)
    shutil.copytree(tmp_path / "backup", store.root)
    write(8.0)
    [told] = found(places)
    fp.publish(last, store, online, now=at(9))
    assert amounts() == [8.0, 8.0]
    assert found(places) == []


def test_the_command_says_what_is_damaged_and_mends_it(places: ExaminedPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(places.store.root))
    assert said("doctor").stdout == "Nothing is damaged.\n"
    cut(first_file(places, VIEW))

    told = said("doctor")
    assert told.exit_code == 1
    assert f"{VIEW} 2024-01-0" in told.stdout
    assert "doctor --mend" in told.stdout
    assert said("doctor", "--mend").exit_code == 0
