"""The demonstration on purchases: what households spend, who will spend less, and why a value is what it is."""

from datetime import datetime

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from feature_platform.declarations.project import project_of
from feature_platform.examples.demo.dagster_runs import update_project
from feature_platform.examples.demo.running import demo_folder, show_failure
from feature_platform.examples.demo.serving import DemoQuestion, show_serving
from feature_platform.examples.demo.summary import Peek, show_summary, show_what_next
from feature_platform.examples.retail import project as retail
from feature_platform.offline import OfflineStore
from feature_platform.settings import loaded_settings
from feature_platform.verification.why import why

_MODULE = "feature_platform.examples.retail.definitions"
_PROJECT = "feature_platform.examples.retail.project"
_TITLE = "A year of purchases, from raw files to features that are served"
_SHOWN = (
    "spent_sum_28d",
    "spent_trend",
    "stores_of_last_5",
    "sales_value_sum_produce_28d",
    "own_brand_share",
    "mailings_count_91d",
    "household_size",
)
_HINTS = {
    "export FEATURE_PLATFORM_ROOT=.feature_platform/retail": "where its tables are",
    f"export FEATURE_PLATFORM_PROJECT={_PROJECT}": "what it is",
    ".venv/bin/feature-platform status": "what is up to date, and why not",
    ".venv/bin/feature-platform lineage spending_training.spent_sum_next_28d": "what a label is made from",
    "docs/how-to/retail.md": "the questions, each in one declaration",
    "feature_platform/examples/retail/project.py": "what was declared",
}
_PEEK = Peek(
    "A peek at the training set: what a household had spent by that midnight, and what came then",
    pl.col("household_id").is_in([7, 60, 718, 1609]) & (pl.col("event_timestamp").dt.month() == 11),
    {
        "event_timestamp": "at (UTC)",
        "household_id": "household",
        "spent_sum_28d": "last 28d",
        "spent_sum_28d_lag_28d": "28d before",
        "stores_of_last_5": "stores",
        "spent_sum_next_28d": "next 28d",
        "training_part": "part",
    },
)


def run_retail_demo(console: Console) -> int:
    """Update the second reference project, serve it, and show all of it; its tables are not judged.

    Returns:
        0 when all went well; 1 when something was refused or failed, with the end of the log shown.
    """
    project, settings = project_of(retail), loaded_settings()
    store, online, logs = OfflineStore(**settings.store_arguments()), settings.online_store(), demo_folder()
    run = update_project(console, project, _MODULE, store, online, log := logs / "demo-retail.log", judged=False)
    show_summary(console, project, store, online, run.stale, _TITLE, {retail.spending_training.asset: _PEEK})
    now = project.partitions.end
    if not run.succeeded or now is None:
        show_failure(console, log)
        return 1
    console.print(_outcomes(store.read(retail.spending_training.asset)))
    answered = show_serving(console, _question(store, now), now, store, logs / "demo-retail-server.log")
    explained = _explain(console, store, now)
    show_what_next(console, store, run.stale, run.unserved, _HINTS)
    return 0 if answered and explained else 1


def _outcomes(rows: pl.LazyFrame) -> Table:
    """Make a table of how it turned out, for each part of the training set."""
    less = pl.col("spent_sum_next_28d") < pl.col("spent_sum_28d")
    counted = rows.group_by("training_part").agg(
        pl.len().alias("rows"),
        pl.col("spent_sum_28d", "spent_sum_next_28d").mean(),
        less.mean().alias("less"),
        (pl.col("count_next_28d") == 0).mean().alias("none"),
        pl.col("event_timestamp").min().alias("first"),
        pl.col("label_known_at").max().alias("known"),
    )
    table = Table(title="Will they spend less? How it turned out, by part", box=SIMPLE_HEAD, padding=0)
    for name in ("part", "rows", "from", "labels known by", "last 28d", "next 28d", "spend less", "do not come"):
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    for row in counted.sort("first").collect().iter_rows(named=True):
        table.add_row(
            str(row["training_part"]),
            f"{row['rows']:,}",
            f"{row['first']:%m-%d}",
            f"{row['known']:%m-%d %H:%M}",
            f"{row['spent_sum_28d']:.2f}",
            f"{row['spent_sum_next_28d']:.2f}",
            f"{row['less']:.1%}",
            f"{row['none']:.1%}",
        )
    return table


def _question(store: OfflineStore, now: datetime) -> DemoQuestion:
    """Return what is asked about the households that have come last before a moment."""
    visits = store.pieces("sources/visits", "purchased_at")[-1].rows.filter(pl.col("purchased_at") < now)
    last = visits.sort("purchased_at", "household_id", descending=True).unique(
        "household_id", keep="first", maintain_order=True
    )
    asked = last.select("household_id").head(4).collect()
    titles = [f"household\n{each}" for each in asked["household_id"]]
    return DemoQuestion(retail.spending_features, asked, titles, _SHOWN, _PROJECT)


def _explain(console: Console, store: OfflineStore, now: datetime) -> bool:
    """Show where one of the values comes from; return whether its source still says the same."""
    key = {"household_id": _question(store, now).asked["household_id"][0]}
    found = why(retail.department_spending, "sales_value_sum_produce_28d", key, now, store)
    console.print(f"[bold]feature-platform why[/bold] {found.title}")
    for about, step in found.steps:
        if about in ("instant", "made from", "window", "events", "again"):
            console.print(f"  {about}: {step}", highlight=False, soft_wrap=True)
    return bool(found.agrees)
