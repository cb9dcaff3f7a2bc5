"""The demonstration: the reference project run through Dagster, then served, and a summary of the results."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from feature_platform.declarations.project import Project, project_of
from feature_platform.examples.demo.fault import show_fault
from feature_platform.examples.demo.monitoring import show_monitoring
from feature_platform.examples.demo.serving import show_serving
from feature_platform.examples.demo.summary import show_summary, show_what_next
from feature_platform.examples.flights import project as flights_project
from feature_platform.ground.table_names import TableKind, kind_of_table
from feature_platform.monitoring.partitions import find_unmonitored
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.plan import WHOLE, stale_assets
from feature_platform.serving.catalogue import stale_online
from feature_platform.settings import loaded_settings, project_folder

_MODULE = "feature_platform.definitions"
_DONE = re.compile(r" - (\S+/\S+): (?:version \d+, \d+ partition|(?:built|changed|unchanged), \d+ entries)")


def run_demo(console: Console) -> int:
    """Update the reference project, judge it, serve it, and show all of it.

    Returns:
        0 when all went well; 1 when something was refused or failed, with the end of the log shown.
    """
    project = project_of(flights_project)
    settings = loaded_settings()
    store, online = OfflineStore(**settings.store_arguments()), settings.online_store()
    with console.status("Looking at what is up to date ..."):
        stale = [each for each in stale_assets(project, store) if each.due_partitions]
        unserved = list(stale_online(project, store, online, [each.asset for each in stale]))
        unjudged = _find_unjudged(project, store, {each.asset for each in stale})
    logs = project_folder() / ".dagster"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "demo.log"
    if unserved:
        unserved += [TableKind.CONSISTENCY.of(each.name) for each in project.services]
    keys = {key for each in stale for key in each.due_partitions} | {key for each in unjudged.values() for key in each}
    names = [*(each.asset for each in stale), *unserved, *unjudged]
    failed = bool(names) and not _materialize(names, sorted(keys - {WHOLE}), log, console)
    show_summary(console, project, store, online, stale)
    if failed:
        console.print(f"[red]Something was refused or failed.[/red] The end of {log}:")
        console.print("\n".join(log.read_text().splitlines()[-12:]), markup=False, highlight=False)
        return 1
    show_monitoring(console, project, store, pages := logs / "demo")
    caught = show_fault(console, project, store, pages)
    answered = show_serving(console, project, store, logs / "demo-server.log")
    show_what_next(console, store, stale, unserved)
    return 0 if answered and caught else 1


def _find_unjudged(project: Project, store: OfflineStore, stale: Collection[str]) -> dict[str, list[str]]:
    """Find the monitoring assets that have something to judge, or will, with the partitions that wait."""
    waiting = {each: [*find_unmonitored(each, project, store)] for each in project.assets}
    return {TableKind.MONITORING.of(each.asset): keys for each, keys in waiting.items() if keys or each.asset in stale}


def _materialize(names: Sequence[str], keys: Sequence[str], log: Path, console: Console) -> bool:
    """Run the native Dagster command for some assets and the partitions between two, with a bar for its progress."""
    selection = " or ".join(f'key:"{name}"' for name in names)
    command = [
        *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", _MODULE, "--select", selection),
        *(("--partition-range", f"{keys[0]}...{keys[-1]}") if keys else ()),
    ]
    where = f", {keys[0]}...{keys[-1]}" if keys else ""
    console.print(f"[bold]dagster asset materialize[/bold] of {len(names)} assets{where}")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        materialized = [name for name in names if kind_of_table(name) is not TableKind.CONSISTENCY]
        task = progress.add_task("starting Dagster", total=len(materialized))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for asset in _follow_assets(process, log):
                progress.update(task, advance=1, description=asset)
    return process.returncode == 0


def _follow_assets(process: "subprocess.Popen[str]", log: Path) -> Iterator[str]:
    with log.open("w") as file:
        for line in process.stdout or ():
            file.write(line)
            asset = _DONE.search(line)
            if asset:
                yield asset[1]
