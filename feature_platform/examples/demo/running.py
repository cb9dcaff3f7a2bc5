"""The demonstration on flights: the reference project run through Dagster, judged, served, and a planted fault."""

from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

from feature_platform.declarations.project import project_of
from feature_platform.examples.demo.dagster_runs import update_project
from feature_platform.examples.demo.fault import show_fault
from feature_platform.examples.demo.flights import FLIGHT_HINTS, FLIGHT_PEEKS, question_about_flights
from feature_platform.examples.demo.monitoring import show_monitoring
from feature_platform.examples.demo.serving import show_serving
from feature_platform.examples.demo.summary import show_summary, show_what_next
from feature_platform.examples.flights import project as flights_project
from feature_platform.offline import OfflineStore
from feature_platform.settings import loaded_settings, project_folder

_MODULE = "feature_platform.definitions"
_TITLE = "The flights of 2013, from raw files to features that are served"


def run_demo(console: Console) -> int:
    """Update the reference project, judge it, serve it, and show all of it.

    Returns:
        0 when all went well; 1 when something was refused or failed, with the end of the log shown.
    """
    project = project_of(flights_project)
    settings = loaded_settings()
    store, online = OfflineStore(**settings.store_arguments()), settings.online_store()
    logs = demo_folder()
    run = update_project(console, project, _MODULE, store, online, log := logs / "demo.log", judged=True)
    show_summary(console, project, store, online, run.stale, _TITLE, FLIGHT_PEEKS)
    if not run.succeeded:
        show_failure(console, log)
        return 1
    show_monitoring(console, project, store, pages := logs / "demo")
    caught = show_fault(console, project, store, pages)
    now = project.partitions.end or datetime.now(timezone.utc)
    answered = show_serving(console, question_about_flights(store, now), now, store, logs / "demo-server.log")
    show_what_next(console, store, run.stale, run.unserved, FLIGHT_HINTS)
    return 0 if answered and caught else 1


def demo_folder() -> Path:
    """Return the folder of the logs of demonstrations, which is there afterwards."""
    logs = project_folder() / ".dagster"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


def show_failure(console: Console, log: Path) -> None:
    """Show the end of the log of a run that failed."""
    console.print(f"[red]Something was refused or failed.[/red] The end of {log}:")
    console.print("\n".join(log.read_text().splitlines()[-12:]), markup=False, highlight=False)
