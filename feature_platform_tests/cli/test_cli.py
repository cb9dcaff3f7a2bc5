"""The `feature-platform` command: what it prints, and one line where it cannot."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform.offline import CommitStamp
from feature_platform_tests.shop import at, daily, last_order, source

PROJECT = "feature_platform_tests.shop_project"
TABLE = "views/spending"


@contextmanager
def project_over(orders: Path) -> Iterator[ModuleType]:
    """The project, which reads a file that may be another each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_ORDERS", str(orders))
        patch.delitem(sys.modules, PROJECT, raising=False)
        yield importlib.import_module(PROJECT)
        sys.modules.pop(PROJECT, None)


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of orders, and a store with two versions of a view."""
    folder = tmp_path_factory.mktemp("shop")
    with project_over(folder / "orders.csv") as project:
        for more in (0.0, 1.0):
            orders = daily().with_columns(pl.col("at").dt.strftime("%FT%TZ"), pl.col("amount") + more)
            orders.write_csv(folder / "orders.csv")
            fp.materialize(
                project.spending, fp.OfflineStore(folder / "store"), at(0), at(5), partitions=project.partitions
            )
    return folder


@pytest.fixture
def store(two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fp.OfflineStore]:
    """The store that the command finds, a copy."""
    copytree(two_versions, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    with project_over(tmp_path / "orders.csv"):
        yield fp.OfflineStore(tmp_path / "store")


def said(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, list(words))


def refused(*words: str) -> str:
    """The one line of an error."""
    result = said(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    [line] = result.stderr.splitlines()
    return line


COMMANDS = [each.name or each.callback.__name__ for each in app.registered_commands if each.callback]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    result = said(command, "--help")
    assert result.exit_code == 0
    assert f"Example: feature-platform {command}" in result.stdout


def test_the_help_names_the_section_of_the_settings() -> None:
    words = " ".join(said("status", "--help").stdout.replace("│", " ").split())
    assert "`project` of [tool.feature_platform] in pyproject.toml" in words


def test_without_a_command_the_help_lists_them() -> None:
    result = said()
    for command in COMMANDS:
        assert command in result.stdout


def test_check_counts_assets_and_expectations() -> None:
    result = said("check", "--project", PROJECT)
    assert (result.exit_code, result.stdout) == (0, "shop_project: 2 assets and 1 expectations are fine.\n")


def test_status_says_what_was_never_materialized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "orders.csv"
    daily().with_columns(pl.col("at").dt.strftime("%FT%TZ")).write_csv(file)
    monkeypatch.setenv("SHOP_ORDERS", str(file))
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "empty"))
    monkeypatch.delitem(sys.modules, PROJECT, raising=False)
    result = said("status", "-p", PROJECT)
    assert result.stdout.splitlines() == [
        "sources/orders (5 partitions, 2024-01-01 to 2024-01-05): never materialized",
        "views/spending (5 partitions, 2024-01-01 to 2024-01-05): never materialized",
        "online/spending: views/spending is not up to date",
    ]
    assert not (tmp_path / "empty").exists()


def published(store: fp.OfflineStore) -> None:
    online = fp.online.Lmdb(Path(store.root) / "online")
    fp.publish(importlib.import_module(PROJECT).spending, store, online, now=at(5))


def test_status_of_what_is_up_to_date_is_one_line(store: fp.OfflineStore) -> None:
    assert said("status", "-p", PROJECT).stdout == "online/spending: never published\n"
    published(store)
    assert said("status", "-p", PROJECT).stdout == "Everything is up to date.\n"


def test_the_catalog_shows_what_is_stored_and_what_is_served_of_it(store: fp.OfflineStore) -> None:
    def shown() -> dict[str, list[str]]:
        result = said("catalog", "-p", PROJECT)
        assert result.exit_code == 0, result.stderr
        lines = [line.strip().split(maxsplit=5) for line in result.stdout.splitlines() if "/" in line]
        return {words[0]: words[1:] for words in lines}

    assert shown()["sources/orders"] == ["10", "1", "2024-01-05", "12:00"]
    assert shown()["views/spending"] == ["15", "1", "2024-01-06", "00:00", "never published"]
    published(store)
    assert shown()["views/spending"][-1].startswith("2 keys v1, ")
    store.rollback(TABLE, 0, stamp=CommitStamp("r", TABLE, ""))
    assert shown()["views/spending"][-1].endswith(" behind: views/spending changed")


def test_history_shows_versions_newest_first(store: fp.OfflineStore) -> None:
    result = said("history", TABLE)
    lines = [line for line in result.stdout.splitlines() if "replace" in line]
    assert result.exit_code == 0
    assert len(lines) == 2
    assert "sources/orders@1" in lines[0]
    assert "sources/orders@0" in lines[1]
    assert len([line for line in said("history", TABLE, "--limit", "1").stdout.splitlines() if "replace" in line]) == 1


def test_rollback_restores_a_version_as_a_new_one(store: fp.OfflineStore) -> None:
    before = store.read(TABLE, version=0).collect().sort("as_of", "customer")
    newest = store.latest_version(TABLE)
    result = said("rollback", TABLE, "0", "-p", PROJECT)
    told = [
        f"{TABLE}: version {newest + 1} now has the content of version 0; before, {newest} was the newest.",
        f"It is pinned there: no run changes it until `feature-platform release {TABLE}`.",
    ]
    assert (result.exit_code, result.stdout.splitlines()) == (0, told)
    assert store.read(TABLE).collect().sort("as_of", "customer").equals(before)


def test_a_pin_is_shown_by_status_catalog_and_history_until_it_is_released(store: fp.OfflineStore) -> None:
    published(store)
    result = said("rollback", TABLE, "0", "-p", PROJECT)
    assert result.stdout.splitlines()[-1].startswith("online/spending: ")

    status = said("status", "-p", PROJECT).stdout.splitlines()
    assert [line for line in status if line.startswith(("views/spending", "online/spending"))] == [
        line for line in status if line.startswith("views/spending: pinned at version 0 since ")
    ]
    assert status[-1].endswith(
        "5 partitions wait for `feature-platform release views/spending` (sources/orders changed)"
    )
    assert "2 = 0, pinned" in said("catalog", "-p", PROJECT).stdout
    history = said("history", TABLE).stdout
    assert f"{TABLE}, pinned at version 0" in history
    assert "rollback to 0" in history

    assert (
        said("release", TABLE).stdout
        == f"{TABLE} is released; `feature-platform status` says what a run would change.\n"
    )
    assert "views/spending (5 partitions" in said("status", "-p", PROJECT).stdout
    assert "pinned" not in said("status", "-p", PROJECT).stdout + said("catalog", "-p", PROJECT).stdout
    assert said("release", TABLE).stdout == f"{TABLE} is not pinned.\n"


@pytest.mark.parametrize("command", [["history", "views/none"], ["rollback", "views/none", "0"]])
def test_an_unknown_table_is_one_line(store: fp.OfflineStore, command: list[str]) -> None:
    assert "has no table `views/none`" in refused(*command)


def test_a_version_that_is_not_there_is_one_line(store: fp.OfflineStore) -> None:
    assert "has no version 99; it keeps 0 to" in refused("rollback", TABLE, "99")


def test_a_name_that_cannot_be_a_table_is_one_line(store: fp.OfflineStore) -> None:
    assert "Table name `../secrets`" in refused("history", "../secrets")


@pytest.mark.parametrize("command", ["check", "status"])
@pytest.mark.parametrize("module", ["no_such_project", "feature_platform.none", "", "..flights"])
def test_an_unknown_project_is_one_line(command: str, module: str) -> None:
    assert f"Project `{module}` cannot be imported" in refused(command, "--project", module)


def test_a_module_without_declarations_is_one_line() -> None:
    assert "declares nothing" in refused("check", "--project", "feature_platform.ground.errors")


def test_an_unreadable_source_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_ORDERS", str(tmp_path / "none.csv"))
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.delitem(sys.modules, PROJECT, raising=False)
    assert "Source `orders` cannot be read" in refused("materialize", "-p", PROJECT)
    del sys.modules[PROJECT]


def test_status_tells_of_a_missing_source_and_goes_on(store: fp.OfflineStore, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").unlink()
    said("rollback", TABLE, "0")

    result = said("status", "-p", PROJECT)

    assert result.exit_code == 1
    assert "sources/orders: cannot be checked: Source `orders` cannot be read" in result.stdout
    assert "up to date" not in result.stdout
    assert "Traceback" not in result.output
    assert [line for line in result.stdout.splitlines() if line.startswith(TABLE) and "pinned at version" in line]


FOLDER = """
[tool.feature_platform]
root = "store"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A team's folder with declarations, data and definitions.py, in which the command runs."""
    daily().with_columns(pl.col("at").dt.strftime("%FT%TZ")).write_csv(tmp_path / "orders.csv")
    (tmp_path / "pyproject.toml").write_text(FOLDER)
    declared = Path(importlib.import_module(PROJECT).__file__ or "").read_text()
    (tmp_path / "the_shop.py").write_text(declared + '\nshop = fp.FeatureService("shop", [spending])\n')
    (tmp_path / "definitions.py").write_text("import feature_platform as fp\nimport the_shop\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATURE_PLATFORM_ROOT", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "definitions", raising=False)
    yield tmp_path
    for name in ("the_shop", "definitions"):
        sys.modules.pop(name, None)


def test_a_command_is_about_the_project_of_its_folder(folder: Path) -> None:
    assert said("check").stdout == "the_shop: 2 assets and 1 expectations are fine.\n"


def test_a_setting_names_the_project(folder: Path) -> None:
    (folder / "definitions.py").unlink()
    (folder / "pyproject.toml").write_text(f'{FOLDER}project = "the_shop"\n')
    assert said("check").stdout.startswith("the_shop: ")


def test_without_a_project_the_command_says_how_to_name_one(folder: Path) -> None:
    (folder / "definitions.py").unlink()
    assert f"{folder} has none. Use --project my_module, set project" in refused("status")


def test_definitions_of_two_projects_ask_for_one(folder: Path) -> None:
    (folder / "definitions.py").write_text(f"import the_shop\nimport {PROJECT} as other\n")
    line = refused("status")
    assert f"imports 2 modules of declarations: {PROJECT}, the_shop. Name one of them" in line


def test_tables_are_materialized_and_published_from_the_command_line(folder: Path) -> None:
    made = said("materialize", "spending", "--start", "2024-01-01", "--end", "2024-01-03")
    assert made.stdout.splitlines() == [
        "sources/orders: 4 rows in 2 partitions, 2024-01-01 to 2024-01-02, version 0",
        "views/spending: 4 rows in 2 partitions, 2024-01-01 to 2024-01-02, version 0",
    ]
    assert said("materialize").exit_code == 0
    assert said("materialize").stdout.splitlines() == ["sources/orders: up to date", "views/spending: up to date"]
    assert said("publish", "shop", "--now", "2024-01-06").stdout == "spending: built, 2 entries written\n"
    assert said("publish", "spending", "--now", "2024-01-06").stdout == "spending: unchanged, 0 entries written\n"
    assert "no feature service or view `shops`. It has: spending, shop" in refused("publish", "shops")
    assert "no asset `spendings`. It has: sources/orders, views/spending" in refused("materialize", "spendings")


def test_a_backfill_goes_piece_by_piece_and_goes_on_where_it_was(folder: Path) -> None:
    said("materialize", "--start", "2024-01-03", "--end", "2024-01-04")

    first = said("backfill", "2024-01-01", "2024-01-06", "--pieces", "2").stdout.splitlines()
    again = said("backfill", "2024-01-01", "2024-01-06", "--pieces", "2").stdout

    assert first[0] == "4 of 5 partitions are to be computed."
    assert [line for line in first if line.endswith(":")] == ["2024-01-01 to 2024-01-02:", "2024-01-04 to 2024-01-05:"]
    assert again == "0 of 5 partitions are to be computed.\n"
    assert "that is not after its start" in refused("backfill", "2024-01-06", "2024-01-01")
    assert said("backfill", "2024-01-01", "2024-01-06", "--again").stdout.splitlines() == [
        "5 of 5 partitions are to be computed.",
        "2024-01-01 to 2024-01-05:",
        "sources/orders: up to date",
        "views/spending: up to date",
    ]


@pytest.mark.parametrize("value", ["secret, not JSON", '["secret"]'])
def test_settings_that_cannot_be_read_are_one_line_without_their_values(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FEATURE_PLATFORM_STORAGE_OPTIONS", value)
    line = refused("history", TABLE)
    assert "storage_options" in line
    assert "secret" not in line


def test_explain_says_how_a_training_set_would_be_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project: Any = ModuleType("explained_shop")
    project.orders = source(daily())
    project.last = last_order(project.orders)
    service = fp.FeatureService("last", [project.last])
    project.training = fp.TrainingSet("order_training", service=service, spine=project.orders)
    monkeypatch.setitem(sys.modules, project.__name__, project)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path))
    fp.materialize(project.last, fp.OfflineStore(tmp_path))

    told = said("explain", "order_training", "--project", "explained_shop")

    assert told.exit_code == 0, told.stderr
    assert "10 spine rows" in told.stdout
    assert "views/last_order: newest row at the moment" in told.stdout
    assert "no training set `none`" in refused("explain", "none", "--project", "explained_shop")


def test_confirm_lists_what_waits_for_a_decision_and_lets_it_go(store: fp.OfflineStore, tmp_path: Path) -> None:
    project = importlib.import_module(PROJECT)
    fp.materialize(project.spending, store, at(0), at(5), partitions=project.partitions)  # from the file of this test
    assert "No published rows of sources/orders wait for a decision" in said("confirm", "orders", "-p", PROJECT).stdout
    file = tmp_path / "orders.csv"
    pl.read_csv(file).filter(~pl.col("at").str.starts_with("2024-01-02")).write_csv(file)

    gone = "2 of 2 published rows are not there any more"
    assert gone in said("status", "-p", PROJECT).stdout
    listed = said("confirm", "sources/orders", "-p", PROJECT).stdout
    assert listed.startswith("2024-01-02: its data changed: orders.csv changed; ")
    assert gone in listed

    done = said("confirm", "orders", "2024-01-02", "-p", PROJECT).stdout
    assert done.startswith("sources/orders: 1 partition(s) changed and have the rows of their source now.")
    assert store.partition_states("sources/orders")["2024-01-02"].rows == 0
    assert gone not in said("status", "-p", PROJECT).stdout
    assert "has no source `payments`" in refused("confirm", "payments", "-p", PROJECT)


def test_migrate_shows_what_would_happen_and_does_it_when_told(store: fp.OfflineStore) -> None:
    project = importlib.import_module(PROJECT)
    aggregations = [fp.Sum("amount", windows=["2d"]), fp.Count(windows=["2d"])]
    more = fp.feature_view(entity=project.customer, source=project.orders, aggregations=aggregations, name="spending")(
        lambda orders: orders
    )
    fp.materialize(more, store, at(0), at(5), partitions=project.partitions)
    version = store.latest_version(TABLE)

    shown = said("migrate", "-p", PROJECT).stdout.splitlines()
    assert shown == [
        f"{TABLE}: 15 rows in 5 partitions are written anew",
        "  - count_2d: removed",
        "  used by online/spending",
        "Nothing was changed. Add --apply to do it.",
    ]
    assert store.latest_version(TABLE) == version
    assert "has no table `views/none`" in refused("migrate", "views/none", "-p", PROJECT)
    done = said("migrate", TABLE, "-p", PROJECT, "--apply").stdout.splitlines()
    assert done[-1] == f"{TABLE}: version {version + 1} has the new columns."
    assert "count_2d" not in store.read(TABLE).collect_schema()
    assert said("migrate", "-p", PROJECT).stdout.startswith("Every table has the columns")


def test_a_removed_view_is_listed_and_dropped_when_told(store: fp.OfflineStore) -> None:
    project = importlib.import_module(PROJECT)
    fp.materialize(last_order(project.orders, entity=project.customer), store, partitions=project.partitions)
    line = "views/last_order: not declared any more, 10 rows, 3 tables with their versions kept"
    for command in ("status", "catalog"):
        assert line in said(command, "-p", PROJECT).stdout.splitlines()
    assert said("drop", "views/last_order", "-p", PROJECT).stdout.splitlines()[0] == line
    assert store.exists("views/last_order")
    told = "views/last_order is dropped: 10 rows, 3 tables with their versions."
    assert said("drop", "views/last_order", "-p", PROJECT, "--yes").stdout.splitlines() == [told]
    assert "last_order" not in said("status", "-p", PROJECT).stdout
    assert "no table of a removed declaration `views/last_order`" in refused("drop", "views/last_order", "-p", PROJECT)
