"""`feature-platform check` and functions that open data behind the platform's back."""

from pathlib import Path

import pytest

from feature_platform_tests.cli.test_cli import said

MODULE = """
from pathlib import Path
import polars as pl
import feature_platform as fp

days = fp.Partitions("daily", start="2024-01-01")

def add_prices(rows):
    return rows.join(pl.scan_csv("prices.csv"), on="product")

orders = fp.Source("orders", fp.sources.Csv("orders.csv"), event_time="at", prepare=lambda rows: add_prices(rows))
customer = fp.Entity("customer", join_keys=["customer"])

@fp.feature_view(entity=customer, source=orders)
def plain(rows):
    return rows.select("customer", "at", read=pl.col("open"))

@fp.label(entity=customer, source=orders)
def returned(rows):
    return rows.with_columns(pl.lit(Path("returned.txt").read_text()))

@fp.label(entity=customer, source=orders, aggregations=[fp.Count(windows=["7d"])])
def next_week(rows):
    return rows.join(pl.scan_parquet("open.parquet"), on="product", how="semi")
"""


def test_check_names_them_and_how_they_open_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_with_files.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    result = said("check", "--project", "shop_with_files")
    assert result.exit_code == 0
    remedy = "of which no commit names a version. Declare that as a source, and take its columns by `enrich=`."
    assert result.stdout.splitlines()[1:] == [
        f"sources/orders: `shop_with_files.add_prices` opens data by itself (scan_csv), {remedy}",
        f"labels/returned: `shop_with_files.returned` opens data by itself (read_text), {remedy}",
        f"labels/next_week: `shop_with_files.next_week` opens data by itself (scan_parquet), {remedy}",
    ]
