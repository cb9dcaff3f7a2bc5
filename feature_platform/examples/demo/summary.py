"""The summary of the demonstration: the catalogue, failed checks, a peek at the training set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from feature_platform.compute.serving.comparison import difference_count
from feature_platform.declarations.project import Project
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.online import OnlineStore
from feature_platform.pipelines.plan import StaleAsset
from feature_platform.serving.catalogue import CatalogueEntry, catalogue_of

_COLORS = {"critical": "red", "warning": "yellow", "info": "cyan"}


@dataclass(frozen=True)
class Peek:
    """Some rows of a training set: what they are, which ones, and a short name for each column."""

    title: str
    rows: pl.Expr
    columns: Mapping[str, str]


def show_summary(
    console: Console,
    project: Project,
    store: OfflineStore,
    online: OnlineStore,
    stale: Sequence[StaleAsset],
    title: str,
    peeks: Mapping[str, Peek],
) -> None:
    """Show what is in the stores, which checks failed, and some rows of training sets, by their tables."""
    runs = _newest_runs(store)
    console.print(_assets_table(title, catalogue_of(project, store, online), runs, {each.asset for each in stale}))
    for line in _failed_checks(runs):
        console.print(f"  {line}")
    for table, peek in peeks.items():
        if store.exists(table):
            _show_rows(console, store.read(table), peek)
    for line in _consistency(project, store):
        console.print(line)


def show_what_next(
    console: Console,
    store: OfflineStore,
    stale: Sequence[StaleAsset],
    unserved: Sequence[str],
    hints: Mapping[str, str],
) -> None:
    """Show what was done and what it cost, and what to look at now: commands and what they are for."""
    closing = _closing(store, _newest_runs(store), stale, unserved, hints)
    console.print(Panel(closing, title="What next", expand=False))


def _newest_runs(store: OfflineStore) -> dict[str, dict[str, object]]:
    """Read the newest run record of each asset that published, by asset name."""
    if not store.exists("runs"):
        return {}
    runs = store.read("runs").sort("started_at").collect()
    return {str(row["asset"]): row for row in runs.iter_rows(named=True)}


def _assets_table(
    title: str, entries: Sequence[CatalogueEntry], runs: dict[str, dict[str, object]], computed: set[str]
) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    right = ("rows", "v", "this run", "online")
    for name in ("asset", "rows", "v", "checks", "this run", "online"):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    for each in entries:
        run = runs.get(each.asset, {})
        outcome = str(run.get("outcome", "not run"))
        color = "green" if outcome in ("published", "unchanged") else "red"
        table.add_row(
            each.asset,
            f"{each.rows:,}",
            "-" if each.version is None else str(each.version),
            _checks(run),
            f"[{color}]{_outcome(run)}[/]" if each.asset in computed else "[dim]up to date[/]",
            _online(each),
        )
    return table


def _outcome(run: dict[str, object]) -> str:
    """Return how long a run took, or how else it ended."""
    outcome = str(run.get("outcome", "not run"))
    return f"{float(str(run['duration_s'])):.1f} s" if outcome == "published" else outcome


def _online(entry: CatalogueEntry) -> str:
    if entry.online is None:
        return ""
    return entry.online.words().rsplit(" ", 1)[0] if entry.online.behind is None else f"[red]{entry.online.behind}[/]"


def _consistency(project: Project, store: OfflineStore) -> Iterator[str]:
    """Yield the result of the newest comparison of online and offline."""
    for service in project.services:
        name = TableKind.CONSISTENCY.of(service.name)
        if store.exists(name):
            rows = store.read(name).filter(pl.col("at") == pl.col("at").max()).collect()
            values, differing = int(rows["compared"].sum()), difference_count(rows)
            result = f"[red]{differing:,} differ[/red]" if differing else "[green]all equal[/green]"
            yield f"  online = offline: {values:,} values of {service.name} compared for real keys, {result}"


def _checks(run: dict[str, object]) -> str:
    """Return how many expectations of a run passed, and how many failed by severity."""
    checks = run.get("checks")
    if not isinstance(checks, list) or not checks:
        return "[dim]-[/]"
    failed = [each["severity"] for each in checks if not each["passed"]]
    words = [f"[green]{len(checks) - len(failed)} ok[/]"] if len(checks) > len(failed) else []
    words += [f"[{_COLORS[kind]}]{failed.count(kind)} {kind}[/]" for kind in sorted(set(failed))]
    return ", ".join(words)


def _failed_checks(runs: dict[str, dict[str, object]]) -> Iterator[str]:
    for asset, run in runs.items():
        checks = run.get("checks")
        for each in checks if isinstance(checks, list) else ():
            if not each["passed"]:
                yield f"[{_COLORS[each['severity']]}]{each['severity']}[/] {asset}: {each['found']}"


def _show_rows(console: Console, rows: pl.LazyFrame, peek: Peek) -> None:
    sample = rows.filter(peek.rows).select(list(peek.columns)).head(5).collect()
    table = Table(title=peek.title, box=SIMPLE_HEAD, padding=0)
    for name, title in peek.columns.items():
        table.add_column(title, justify="left" if sample[name].dtype == pl.String else "right", no_wrap=True)
    for row in sample.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "[dim]-[/dim]"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _closing(
    store: OfflineStore,
    runs: dict[str, dict[str, object]],
    stale: Sequence[StaleAsset],
    unserved: Sequence[str],
    hints: Mapping[str, str],
) -> str:
    seconds = sum(float(str(run["duration_s"])) for run in runs.values())
    memory = max((float(str(run["peak_memory_mb"])) for run in runs.values()), default=0.0)
    size = sum(file.stat().st_size for file in Path(str(store.root)).rglob("*") if file.is_file()) / 1e6
    published = len([name for name in unserved if name.startswith("online/")])
    done = f"Computed {len(stale)} assets, published {published} online."
    if not stale and not unserved:
        done = "Nothing to recompute: code, inputs and data are the same."
    return "\n".join(
        [
            f"[bold]{done}[/bold]",
            f"To run all again: {seconds:.0f} s, {memory:,.0f} MB at the peak, {size:,.0f} MB on disk.",
            "",
            *(f"[bold]{command}[/bold]    {what}" for command, what in hints.items()),
        ]
    )
