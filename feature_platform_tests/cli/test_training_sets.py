"""`feature-platform training-set`."""

from pathlib import Path

import polars as pl
import pytest

from feature_platform_tests.cli.test_cli import said

MODULE = """
from datetime import datetime, timezone
import polars as pl
import feature_platform as fp

def at(day):
    return datetime(2024, 1, day, tzinfo=timezone.utc)

days = fp.Partitions("daily", start="2024-01-01", end="2024-01-08")
rows = pl.DataFrame({"customer": ["ann"] * 6, "at": [at(n) for n in range(1, 7)], "amount": [AMOUNTS] * 6})
orders = fp.Source("orders", fp.sources.Frame(rows), event_time="at")
customer = fp.Entity("customer", join_keys=["customer"])

@fp.feature_view(entity=customer, source=orders)
def last_order(rows):
    return rows

@fp.label(entity=customer, source=orders)
def next_amount(rows):
    return rows.select("customer", "at", next="amount")

asked = pl.DataFrame({"customer": ["ann"] * 3, "event_timestamp": [at(2), at(3), at(5)]})
split = fp.Split(test_from="2024-01-05")
amounts = fp.TrainingSet(
    "amounts",
    service=fp.FeatureService("amounts", [last_order]),
    spine=asked,
    label=next_amount,
    horizon="1d",
    split=split,
)
"""


def test_it_builds_compares_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.syspath_prepend(tmp_path)
    for number, amount in enumerate((1.0, 2.5)):
        (tmp_path / f"shop_{number}.py").write_text(MODULE.replace("AMOUNTS", str(amount)))
        project = ["--project", f"shop_{number}"]
        assert said("materialize", *project).exit_code == 0
        result = said("training-set", "build", "amounts", *project)
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[-1].startswith("Parts: train 2")
    compared = said("training-set", "compare", "amounts", "0", *project)
    assert "amount  3 changed" in compared.stdout
    exported = said("training-set", "export", "amounts", "rows", *project)
    assert [Path(line).name for line in exported.stdout.splitlines()] == ["train.parquet", "test.parquet"]
    assert pl.read_parquet("rows/train.parquet")["amount"].to_list() == [2.5, 2.5]
    again = said("training-set", "export", "amounts", "rows", *project)
    assert (again.exit_code, "has train.parquet" in again.output) == (1, True)


def test_a_name_that_is_none_says_which_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_2.py").write_text(MODULE.replace("AMOUNTS", "1.0"))
    result = said("training-set", "build", "amount", "--project", "shop_2")
    assert (result.exit_code, "no training set `amount`" in result.output) == (1, True)
