"""What alarmed teaches nothing, in tables without partitions: there earlier versions say what is usual."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.monitoring.judging import watching
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.offline import CommitStamp
from feature_platform.settings import loaded_settings
from feature_platform_tests.assets import table_asset
from feature_platform_tests.monitoring.watching.words import Watcher

ASSET = "sources/register"
GOOD, FEW = 6, 6  # versions, good ones and those that a version is held against
Fault = Callable[[pl.DataFrame], pl.DataFrame]


def larger(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("seats") * 1000)


def fewer(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.tail(90)  # others each time, so that each is a version


def empty(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(seats=pl.lit(None, pl.Int64))


class Register:
    """Planes as a source without partitions, delivered whole again and again, each time with one row more."""

    def __init__(self, delivered: int = 0) -> None:
        settings = loaded_settings()
        self.store = fp.OfflineStore(**settings.store_arguments())
        self.alerts: AlertStore = settings.alert_store()
        self.delivered = delivered
        self.watcher = Watcher(self.project(pl.DataFrame()), self.store, self.alerts)

    def project(self, rows: pl.DataFrame, prepare: Any = None) -> Project:
        source = fp.Source("register", fp.sources.Frame(rows), prepare=prepare)
        return Project(
            "fleet", fp.Partitions("daily", start=datetime(2024, 1, 1, tzinfo=UTC)), order_declarations([source])
        )

    def alarms(self, *faults: Fault, code: Fault | None = None) -> set[tuple[str, str | None]]:
        """Deliver a version, with faults, made with some code; what alarms in it."""
        self.delivered += 1
        many = 500 + self.delivered
        rows = pl.DataFrame({"plane": [f"N{at}" for at in range(many)], "seats": [100 + at % 7 for at in range(many)]})
        for fault in faults:
            rows = fault(rows)
        self.now = self.project(rows, code)
        fp.materialize(table_asset(self.now, "sources/register"), self.store)
        return self.judged()

    def judged(self) -> set[tuple[str, str | None]]:
        """What alarms in the newest version."""
        return {*self.answers().filter("alarm").select("kind", "column").iter_rows()}

    def answers(self) -> pl.DataFrame:
        return monitor_asset(self.now.assets[0], self.now, self.store, [""], "test").rows

    def told(self) -> list[str]:
        """The messages since the last time."""
        return self.watcher.looks(self.now)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a register of which some good versions were judged."""
    root = tmp_path_factory.mktemp("register") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEATURE_PLATFORM_ROOT", str(root))
        made = Register()
        assert [made.alarms() for _ in range(GOOD)] == [set()] * GOOD
        assert made.told() == []
    return root


@pytest.fixture
def register(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """A register of which some good versions were judged; few earlier ones count, so that tests are short."""
    copytree(kept, tmp_path / "store")
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.setattr(watching, "VERSIONS", FEW)
    return Register(GOOD)


@pytest.mark.slow
def test_a_fault_that_lasts_over_versions_never_becomes_usual_and_is_over_when_it_is_back(register: Register) -> None:
    assert register.alarms(fewer) == {("volume", None)}
    assert register.told() == ["opened volume in sources/register"]
    assert [register.alarms(fewer) for _ in range(FEW + 1)] == [{("volume", None)}] * (FEW + 1)
    assert register.told() == []
    assert (register.alarms(), register.told()) == (set(), [])  # once is no end
    assert (register.alarms(), register.told()) == (set(), ["resolved volume in sources/register"])


def test_a_fault_of_one_version_that_comes_again_is_told_again(register: Register) -> None:
    for event in ("opened", "reopened"):
        assert register.alarms(empty) == {("dead", "seats")}
        assert register.told() == [f"{event} dead of seats in sources/register"]
        assert (register.alarms(), register.told()) == (set(), [])
        assert (register.alarms(), register.told()) == (set(), ["resolved dead of seats in sources/register"])


def test_judging_a_version_again_comes_to_the_same_and_keeps_nothing_new(register: Register) -> None:
    assert register.alarms(fewer) == {("volume", None)}
    name = "monitoring/sources/register"
    first, version = register.answers(), register.store.latest_version(name)
    assert register.answers().equals(first)
    assert register.store.latest_version(name) == version


def test_a_column_that_alarmed_leaves_out_its_versions_for_itself_only(register: Register) -> None:
    assert [register.alarms(larger) for _ in range(FEW)] == [{("unit", "seats")}] * FEW
    compared = dict(register.answers().select("kind", "compared_to").iter_rows())
    assert compared["volume"] == f"about 508 rows in {FEW} partitions"


def test_a_level_of_a_table_without_partitions_is_accepted_from_the_version_in_which_it_began(
    register: Register,
) -> None:
    assert register.alarms(larger) == {("unit", "seats")}
    register.told()
    assert register.alarms(larger) == {("unit", "seats")}
    register.told()
    [name] = register.alerts.book().alerts

    said = CliRunner().invoke(app, ["alerts", "accept", name[:8], "--by", "ann", "--note", "in grams"])

    assert said.exit_code == 0, said.output
    assert said.stdout.endswith("is accepted by ann, from the version in which it began on.\n")
    assert f"by ann, from version {GOOD} on: in grams" in CliRunner().invoke(app, ["alerts", "show", name]).stdout
    assert register.told() == ["resolved unit of seats in sources/register"]
    assert [register.alarms(larger) for _ in range(5)] == [set()] * 5
    assert register.told() == []
    assert register.alarms() == {("unit", "seats")}  # as it was before is now what is strange
    assert register.told() == ["reopened unit of seats in sources/register"]


def test_other_code_of_a_table_without_partitions_explains_what_alarmed(register: Register) -> None:
    assert register.alarms(code=larger) == {("unit", "seats")}  # told once
    assert [register.alarms(code=larger) for _ in range(5)] == [set()] * 5
    assert register.answers().filter(pl.col("kind") == "unit")["found"].to_list() == [False]  # usual from then on
    assert register.alarms(larger, code=larger) == {("unit", "seats")}


def test_a_version_that_was_rolled_back_teaches_nothing(register: Register) -> None:
    good = register.store.latest_version(ASSET)
    assert register.alarms(fewer) == {("volume", None)}
    register.store.rollback(ASSET, good, stamp=CommitStamp("run", ASSET, ""))
    assert register.judged() == set()
    assert dict(register.answers().select("kind", "compared_to").iter_rows())["volume"].startswith("about 503 rows")
