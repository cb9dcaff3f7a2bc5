"""The demonstration: the reference project run through Dagster, and a summary of what came of it."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from feature_platform.declarations.project import Project, project_of
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.examples.flights import project as flights_project
from feature_platform.offline import OfflineStore
from feature_platform.plan import WHOLE, Stale, stale_assets
from feature_platform.settings import loaded_settings, project_folder

_MODULE = "feature_platform.definitions"
_DONE = re.compile(r" - (\S+): version \d+, \d+ partition")
_COLORS = {"critical": "red", "warning": "yellow", "info": "cyan"}
_PEEK = {
    "event_timestamp": "at (UTC)",
    "carrier": "carrier",
    "origin": "origin",
    "dep_delay_mean_7d": "carrier 7d",
    "last_arr_delay": "plane last",
    "dep_delay_mean_1h": "origin 1h",
    "arrived_late": "late?",
}


def run_demo(console: Console) -> int:
    """Bring the reference project up to date and show it.

    Returns:
        0 when everything was published; 1 when something was refused or failed, with the end of the log shown.
    """
    project = project_of(flights_project)
    settings = loaded_settings()
    store = OfflineStore(**settings.store_arguments())
    with console.status("Looking at what is up to date ..."):
        stale = stale_assets(project, store)
    log = project_folder() / ".dagster" / "demo.log"
    failed = bool(stale) and not _materialize(stale, project, log, console)
    _summary(console, project, store, stale)
    if failed:
        console.print(f"[red]Something was refused or failed.[/red] The end of {log}:")
        console.print("\n".join(log.read_text().splitlines()[-12:]), markup=False, highlight=False)
    return int(failed)


def _materialize(stale: Sequence[Stale], project: Project, log: Path, console: Console) -> bool:
    """Run the native Dagster command for what is stale, with a bar for its progress."""
    keys = sorted({key for each in stale for key in each.reasons if key != WHOLE}) or project.partitions.keys()
    selection = " or ".join(f'key:"{each.asset}"' for each in stale)
    command = [
        *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", _MODULE),
        *("--select", selection, "--partition-range", f"{keys[0]}...{keys[-1]}"),
    ]
    console.print(f"[bold]dagster asset materialize[/bold] of {len(stale)} assets, {keys[0]}...{keys[-1]}")
    log.parent.mkdir(parents=True, exist_ok=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting Dagster", total=len(stale))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for asset in _finished(process, log):
                progress.update(task, advance=1, description=asset)
    return process.returncode == 0


def _finished(process: "subprocess.Popen[str]", log: Path) -> Iterator[str]:
    with log.open("w") as written:
        for line in process.stdout or ():
            written.write(line)
            found = _DONE.search(line)
            if found:
                yield found[1]


def _summary(console: Console, project: Project, store: OfflineStore, stale: Sequence[Stale]) -> None:
    runs = _newest_runs(store)
    console.print(_assets_table(project, store, runs, {each.asset for each in stale}))
    for line in _failed_checks(runs):
        console.print(f"  {line}")
    for asset in project.assets:
        if isinstance(asset, TrainingSet) and store.exists(asset.asset):
            _peek(console, store, asset)
    console.print(Panel(_closing(store, runs, stale), title="What next", expand=False))


def _newest_runs(store: OfflineStore) -> dict[str, dict[str, object]]:
    """The newest run record of each asset that published, by asset name."""
    if not store.exists("runs"):
        return {}
    runs = store.read("runs").sort("started_at").collect()
    return {str(row["asset"]): row for row in runs.iter_rows(named=True)}


def _assets_table(
    project: Project, store: OfflineStore, runs: dict[str, dict[str, object]], computed: set[str]
) -> Table:
    table = Table(title="The flights of 2013, from raw files to a training set", box=SIMPLE_HEAD, padding=0)
    for name in ("asset", "rows", "parts", "v", "checks", "took", "this run"):
        table.add_column(name, justify="left" if name in ("asset", "checks", "this run") else "right", no_wrap=True)
    for asset in project.assets:
        states = store.partition_states(asset.asset) if store.exists(asset.asset) else {}
        run = runs.get(asset.asset, {})
        outcome = str(run.get("outcome", "not run"))
        color = "green" if outcome in ("published", "unchanged") else "red"
        table.add_row(
            asset.asset,
            f"{sum(state.rows for state in states.values()):,}",
            str(len(states)),
            str(store.latest_version(asset.asset)) if states else "-",
            _checks(run),
            f"{run.get('duration_s', 0.0):.1f} s",
            f"[{color}]{outcome}[/]" if asset.asset in computed else "[dim]up to date[/]",
        )
    return table


def _checks(run: dict[str, object]) -> str:
    """How many expectations of a run passed, and how many failed by severity."""
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


def _peek(console: Console, store: OfflineStore, asset: TrainingSet) -> None:
    rows = store.read(asset.asset)
    shown = [name for name in _PEEK if name in rows.collect_schema()]
    sample = rows.filter(pl.col("precip") > 0.1).select(shown).head(5).collect()
    title = "A peek at the training set: what was known at that minute, and how it turned out"
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    for name in shown:
        table.add_column(_PEEK[name], justify="left" if sample[name].dtype == pl.String else "right", no_wrap=True)
    for row in sample.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "[dim]-[/dim]"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _closing(store: OfflineStore, runs: dict[str, dict[str, object]], stale: Sequence[Stale]) -> str:
    seconds = sum(float(str(run["duration_s"])) for run in runs.values())
    memory = max((float(str(run["peak_memory_mb"])) for run in runs.values()), default=0.0)
    size = sum(file.stat().st_size for file in Path(str(store.root)).rglob("*") if file.is_file()) / 1e6
    done = f"Computed {len(stale)} assets." if stale else "Nothing to recompute: code, inputs and data are the same."
    return "\n".join(
        [
            f"[bold]{done}[/bold]",
            f"To run all again: {seconds:.0f} s, {memory:,.0f} MB at the peak, {size:,.0f} MB on disk.",
            "",
            "[bold]make dev[/bold]    all of it in the Dagster UI on http://127.0.0.1:3000",
            "[bold].venv/bin/feature-platform status[/bold]    what is up to date, and why not",
            "[bold].venv/bin/feature-platform history views/carrier_delays[/bold]    its versions",
            "[bold]feature_platform/examples/flights/project.py[/bold]    what was declared",
        ]
    )
