"""`feature-platform lineage`: prints and sends recorded runs; what is not configured or not taken is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform.lineage import configuration
from feature_platform_tests import shop_project
from feature_platform_tests.lineage.published import faults_of
from feature_platform_tests.lineage.servers import closed, enter_bare_folder, marquez
from feature_platform_tests.shop import at, daily

LATER = "2099-01-01"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that was published once."""
    enter_bare_folder(tmp_path, monkeypatch)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("FEATURE_PLATFORM_PROJECT", shop_project.__name__)
    source = fp.Source("orders", fp.sources.Frame(daily(1)), event_time="at")
    fp.materialize(source, fp.OfflineStore(tmp_path / "store"), at(0), at(1), partitions=shop_project.partitions)


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["lineage", *words])


def lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("word", ["--print", "--dry-run"])
def test_events_are_printed_where_nothing_is_configured(word: str) -> None:
    printed = lines(call(word).stdout)

    assert [each["eventType"] for each in printed] == ["START", "COMPLETE"]
    assert [faults_of(each) for each in printed] == [[], []]
    assert call(word, "--since", LATER).stdout == ""


def test_they_are_sent_where_the_standard_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with marquez() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.address)
        assert call().stdout == f"1 run sent to {server.address}.\n"
        assert call("--since", LATER).stdout == f"0 runs sent to {server.address}.\n"
        assert call().exit_code == 0
        sent = [each["run"]["runId"] for each in server.events]
    assert sent == [lines(call("--print").stdout)[0]["run"]["runId"]] * 4


def test_what_is_not_configured_or_not_taken_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = call()
    assert (nowhere.exit_code, nowhere.stdout) == (1, "")
    assert nowhere.stderr.startswith("Error: Lineage has nowhere to go. Set OPENLINEAGE_URL")
    with closed() as address:
        transport = {"type": "http", "url": address}
        monkeypatch.setenv("FEATURE_PLATFORM_LINEAGE", json.dumps({"transport": transport}))
        dead = call()
    assert (dead.exit_code, dead.stdout) == (1, "")
    assert "of `sources/orders` was not sent to" in dead.stderr
    assert "no connection: Connection refused. Nothing is lost." in dead.stderr
    wrong = call("--since", "noon")
    assert (wrong.exit_code, wrong.stderr[:16]) == (1, "Error: --since i")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "find_spec", lambda name: None)
    assert "the extra `lineage`" in call("--print").stderr


def test_a_column_is_printed_as_a_tree_up_and_down() -> None:
    assert call("views/spending.amount_sum_2d").stdout.splitlines() == [
        "views/spending.amount_sum_2d  Sum('amount', windows=['2d'])",
        "└─ sources/orders.amount",
    ]
    down = json.loads(call("orders.amount", "--down", "--json").stdout)
    assert [each["column"] for each in down["branches"]] == ["views/spending.amount_sum_2d"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["spending.amount"], "`views/spending` has no column `amount`. It has: as_of, customer, amount_sum_2d."),
        (["spent.amount"], "has no one table or service `spent`"),
        (["--down"], "--down or --json is given without a column"),
        (["spending.amount_sum_2d", "--print"], "--since or --print is given with the column"),
    ],
)
def test_what_is_no_column_is_one_sentence(words: list[str], error: str) -> None:
    result = call(*words)
    assert (result.exit_code, error in result.stderr, result.stderr.count("\n")) == (1, True, 1), result.stderr
