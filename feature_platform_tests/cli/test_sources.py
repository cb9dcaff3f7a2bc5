"""`feature-platform sources`: what is new, how far each source is published, and how its rows look."""

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform.cli.sources import _table_of
from feature_platform.declarations.source import Transform
from feature_platform.pipelines.source_status import status_of_sources
from feature_platform_tests.shop import at, daily

PROJECT = "feature_platform_tests.shop_project"
Say = Callable[..., Result]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    daily().with_columns(pl.col("at").dt.strftime("%FT%TZ")).write_csv(tmp_path / "orders.csv")
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("SHOP_ORDERS", str(tmp_path / "orders.csv"))
    monkeypatch.delitem(sys.modules, PROJECT, raising=False)
    runner = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"})
    return lambda *words: runner.invoke(app, ["sources", *words, "--project", PROJECT])


def test_sources_are_listed_before_and_after_a_run(say: Say, tmp_path: Path) -> None:
    before = say()
    assert before.exit_code == 0
    assert f"csv: {tmp_path}/orders.csv" in before.stdout
    assert "1 new" in before.stdout
    assert "nothing yet" in before.stdout
    assert "orders: a run reads whole files: `prepare` computes the event time `at`." in before.stdout
    assert CliRunner().invoke(app, ["materialize", "sources/orders", "--project", PROJECT]).exit_code == 0
    after = say().stdout
    assert "nothing new" in after
    assert "2024-01-05" in after
    (tmp_path / "orders.csv").write_bytes((tmp_path / "orders.csv").read_bytes() + b"ann,2024-01-06T10:00:00Z,1.0\n")
    assert "1 changed" in say().stdout


def test_a_file_that_may_still_be_being_written_is_told(tmp_path: Path, store: fp.OfflineStore) -> None:
    for day in range(3):
        daily(1).write_parquet(tmp_path / f"d{day}.parquet")
        os.utime(tmp_path / f"d{day}.parquet", (1, 1) if day else None)
    source = fp.Source("orders", fp.sources.Parquet(tmp_path / "*.parquet", settles="1h"), event_time="at")
    found = status_of_sources([source], store, fp.Partitions())
    console = Console(record=True, width=300)
    console.print(_table_of(found))
    assert "2 new, 1 may still be being written" in console.export_text()


def test_a_source_that_cannot_be_read_is_told_and_the_others_are_listed(say: Say, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").unlink()
    found = say()
    assert found.exit_code == 1
    assert "cannot be read" in found.stdout
    assert "orders: Source `orders` cannot be read from" in found.stdout


def test_rows_of_a_source_are_shown_with_what_its_columns_are_for(say: Say, tmp_path: Path) -> None:
    shown = say("try", "orders", "--rows", "3").stdout
    assert "customer: String, join key of spending" in shown
    assert "at: Datetime(time_unit='us', time_zone='UTC'), event time" in shown
    assert shown.count("2024-01-0") == 3
    (tmp_path / "orders.csv").write_text("customer,at,amount\nann,never,1\n")
    wrong = say("try", "orders")
    assert wrong.exit_code == 1
    assert "Error: Source `orders` cannot be read" in wrong.stderr
    assert "Error: Project `shop_project` has no source `ordres`" in say("try", "ordres").stderr


@pytest.mark.parametrize(
    ("prepare", "words", "remark"),
    [
        (None, {}, None),
        (lambda rows: rows.with_columns(x=pl.col("amount") * 2), {}, None),
        (lambda rows: rows.with_columns(pl.col("at").dt.offset_by("1h")), {}, "a run reads whole files"),
        (lambda rows: rows.unique(maintain_order=True), {}, "`prepare` needs them together"),
        (None, {"partitioned": False}, "it has no partitions"),
    ],
    ids=["as it is", "prepared", "computed time", "together", "whole"],
)
@pytest.mark.parametrize("unit", ["us", "ns"])
def test_what_a_run_reads_too_much_is_known_before(
    tmp_path: Path,
    store: fp.OfflineStore,
    prepare: Transform | None,
    words: dict[str, bool],
    remark: str | None,
    unit: str,
) -> None:
    daily().cast({"at": pl.Datetime(unit, "UTC")}).write_parquet(tmp_path / "a.parquet")  # type: ignore[arg-type]
    files = fp.sources.Parquet(tmp_path / "*.parquet")
    source = fp.Source("orders", files, event_time="at", prepare=prepare, **words)  # type: ignore[arg-type]
    grid = fp.Partitions("daily", start=at(0))
    [status] = status_of_sources([source], store, grid)
    assert status.units == 1
    assert (status.remark or "").find(remark or "") >= 0
    assert (status.remark is None) == (remark is None)
    frame = fp.Source("rows", fp.sources.Frame(daily()), event_time="at")
    assert status_of_sources([frame], store, grid)[0].remark == "a run reads all rows: its data lies in one piece"


def test_a_table_of_a_database_is_listed_by_its_days(tmp_path: Path, store: fp.OfflineStore) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as shop:
        shop.execute("CREATE TABLE visits (page TEXT, at DATETIME)")
        shop.execute("INSERT INTO visits VALUES ('home', '2024-01-01 10:00:00'), ('cart', '2024-01-02 10:00:00')")
        table = fp.sources.Database(f"sqlite:///{tmp_path}/shop.db", table="visits", time_zone="UTC")
        visits, grid = fp.Source("visits", table, event_time="at"), fp.Partitions("daily", start=at(0))
        fp.materialize(visits, store, partitions=grid)
        shop.execute("INSERT INTO visits VALUES ('late', '2024-01-01 11:00:00'), ('new', '2024-01-03 10:00:00')")
        [status] = status_of_sources([visits], store, grid)
    assert (status.units, str(status.changes), status.newest) == (3, "1 new, 1 changed", "2024-01-02")
    assert status.remark is None


def test_check_tells_where_filters_do_not_reach_the_data_when_it_is_asked_to(say: Say, tmp_path: Path) -> None:
    runner = CliRunner()
    quiet = runner.invoke(app, ["check", "--project", PROJECT])
    assert "a run reads" not in quiet.stdout
    asked = runner.invoke(app, ["check", "--sources", "--project", PROJECT])
    assert asked.exit_code == 0
    assert "orders: a run reads whole files: `prepare` computes the event time `at`." in asked.stdout
    (tmp_path / "orders.csv").unlink()
    gone = runner.invoke(app, ["check", "--sources", "--project", PROJECT])
    assert gone.exit_code == 1
    assert "orders: Source `orders` cannot be read from" in gone.stdout
