"""`feature-platform contract`: a source as a contract, and a check of contracts that fails where one is broken."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform_tests.shop import at, daily

PROJECT = """
import polars as pl

import feature_platform as fp

partitions = fp.Partitions("daily", start="2024-01-01", end="2024-01-06")
NOT_NULL = "expect_column_values_to_not_be_null"
orders = fp.Source(
    "orders",
    fp.sources.Parquet("orders.parquet"),
    event_time="at",
    expectations=[fp.Expect(NOT_NULL, column="customer")],
)
"""
MADE_FROM = 'fp.Source.from_contract("orders.yaml", fp.sources.Parquet("orders.parquet"), name="sales")'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project in a folder with its data, and nothing published."""
    (tmp_path / "shop_contracts.py").write_text(PROJECT)
    daily().write_parquet(tmp_path / "orders.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("FEATURE_PLATFORM_PROJECT", "shop_contracts")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("shop_contracts", None)


def run(*words: str) -> Result:
    sys.modules.pop("shop_contracts", None)
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["contract", *words])


def write_contract(*changes: tuple[str, str]) -> None:
    text = run("orders").stdout
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("orders.yaml").write_text(text)


def test_a_source_is_written_before_its_first_run_as_after_it(project: Path) -> None:
    before = run("orders", "--version", "2.0.0")
    sys.modules.pop("shop_contracts", None)
    declared = __import__("shop_contracts")
    fp.materialize(declared.orders, fp.OfflineStore(project / "store"), at(0), at(5), partitions=declared.partitions)
    (project / "orders.parquet").unlink()

    assert before.exit_code == 0
    assert before.stdout.startswith("apiVersion: v3.1.0\nkind: DataContract\nid: sources/orders\n")
    assert "\nversion: 2.0.0\n" in before.stdout
    assert run("sources/orders", "--version", "2.0.0").stdout == before.stdout


def test_what_holds_is_said_and_exits_with_zero() -> None:
    write_contract()
    result = run("--check", "orders.yaml")

    assert (result.exit_code, result.stdout) == (0, "orders.yaml: sources/orders keeps it.\n")


def test_what_is_broken_is_listed_and_exits_with_one() -> None:
    write_contract(
        ("name: amount\n    logicalType: number\n    physicalType: Float64", "name: amount\n    logicalType: string"),
        ("status: active", "status: active\nslaProperties: [{property: latency, value: 1, unit: d}]"),
        ("properties:", "properties: \n  - {name: country, required: true, classification: public}"),
    )
    result = run("--check", "orders.yaml")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "orders.yaml: sources/orders: column `country` is missing.",
        "orders.yaml: sources/orders: column `amount` is Float64, not string.",
        "orders.yaml: sources/orders: freshness is not declared; the contract promises 1d.",
        "orders.yaml: sources/orders: expectation expect_column_values_to_not_be_null on country is missing.",
        "orders.yaml: schema[0].properties[0].classification is not checked.",
    ]


def test_declarations_alone_are_compared_where_there_is_no_data(project: Path) -> None:
    write_contract(("name: amount", "name: price"))
    (project / "orders.parquet").unlink()

    assert run("--check", "--declared", "orders.yaml").exit_code == 0
    assert run("--check", "orders.yaml").exit_code == 1
    assert "cannot be read" in run("--check", "orders.yaml").stderr


def test_without_files_the_contracts_that_sources_are_made_from_are_checked(project: Path) -> None:
    write_contract()
    (project / "shop_contracts.py").write_text(PROJECT.split("orders = ")[0] + f"sales = {MADE_FROM}\n")

    assert run("--check").stdout == "orders.yaml: sources/sales keeps it.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "The command was given 0 names."),
        (["payments"], "The project has no source `payments`. It has: orders."),
        (["--check"], "The command was given no contract."),
        (["--check", "none.yaml"], "Data contract none.yaml cannot be read: No such file or directory."),
        (["--check", "other.yaml"], "Data contract other.yaml is about payments, and no source is made from it"),
    ],
)
def test_what_cannot_be_done_is_one_line(words: list[str], said: str) -> None:
    head = "apiVersion: v3.1.0\nkind: DataContract\nid: a\nversion: '1'\n"
    Path("other.yaml").write_text(head + "schema: [{name: payments}]\n")
    result = run(*words)

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {said}")
