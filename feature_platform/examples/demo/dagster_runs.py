"""The run of a demonstration: what is not up to date, by the native command of Dagster, with a bar for its progress."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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

from feature_platform.declarations.project import Project
from feature_platform.ground.table_names import TableKind, kind_of_table
from feature_platform.monitoring.partitions import find_unmonitored
from feature_platform.offline import OfflineStore
from feature_platform.online import OnlineStore
from feature_platform.pipelines.plan import WHOLE, StaleAsset, stale_assets
from feature_platform.serving.catalogue import stale_online

_DONE = re.compile(r" - (\S+/\S+): (?:version \d+, \d+ partition|(?:built|changed|unchanged), \d+ entries)")


@dataclass(frozen=True)
class DemoRun:
    """What a run of a demonstration was about, and whether it went well."""

    stale: Sequence[StaleAsset]
    unserved: Sequence[str]
    succeeded: bool


def update_project(
    console: Console,
    project: Project,
    module: str,
    store: OfflineStore,
    online: OnlineStore,
    log: Path,
    *,
    judged: bool,
) -> DemoRun:
    """Materialize what is not up to date, publish it, and compare online with offline; `judged`: monitor it, too."""
    with console.status("Looking at what is up to date ..."):
        stale = [each for each in stale_assets(project, store) if each.due_partitions]
        unserved = list(stale_online(project, store, online, [each.asset for each in stale]))
        unjudged = _find_unjudged(project, store, {each.asset for each in stale}) if judged else {}
    if unserved:
        unserved += [TableKind.CONSISTENCY.of(each.name) for each in project.services]
    keys = {key for each in stale for key in each.due_partitions} | {key for each in unjudged.values() for key in each}
    names = [*(each.asset for each in stale), *unserved, *unjudged]
    succeeded = not names or _run_dagster(module, names, sorted(keys - {WHOLE}), log, console)
    return DemoRun(stale, unserved, succeeded)


def _run_dagster(module: str, names: Sequence[str], keys: Sequence[str], log: Path, console: Console) -> bool:
    """Materialize assets of a code location for the partitions between two; return whether all went well."""
    selection = " or ".join(f'key:"{name}"' for name in names)
    command = [
        *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", module, "--select", selection),
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


def _find_unjudged(project: Project, store: OfflineStore, stale: Collection[str]) -> dict[str, list[str]]:
    """Find the monitoring assets that have something to judge, or will, with the partitions that wait."""
    waiting = {each: [*find_unmonitored(each, project, store)] for each in project.assets}
    return {TableKind.MONITORING.of(each.asset): keys for each, keys in waiting.items() if keys or each.asset in stale}
