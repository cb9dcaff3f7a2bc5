"""`feature-platform alerts check`: does once what the sensor does, without Dagster.

The cursor is a file beside the alerts. It only saves work: what was taken in before is known by its name.
"""

import os
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors
from feature_platform.ground.errors import InvalidDeclaration


def check(
    project: ProjectName = None,
) -> None:
    """Look for new findings since the last check, and send the messages; for cron, where no sensor runs.

    Exit codes: 0, or 1 when a channel failed; its messages are kept and go out with the next check.

    Example: feature-platform alerts check --project my_team.features
    """
    from feature_platform.ground.clock import microseconds, shift_moment
    from feature_platform.monitoring.alerting import RETENTION, deliver_pending
    from feature_platform.monitoring.watching import describe_look, take_in
    from feature_platform.offline import OfflineStore
    from feature_platform.pipelines.holders import hold
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        settings, now = loaded_settings(), datetime.now(timezone.utc)
        alerts, channels = settings.alert_store(), settings.alert_channels()
        file = alerts.path.with_name("cursor.json")
        store = OfflineStore(**settings.store_arguments())
        hold(store, "alerts", settings.alerts_folder)
        taken = take_in(load_project(project), store, alerts, settings.alert_policy(), now, _read_cursor(file))
        _keep_cursor(file, taken.cursor)
        delivered = deliver_pending(alerts, channels, now)
        alerts.forget(shift_moment(now, -microseconds(RETENTION, "Alerts, kept,")))
    for message in taken.messages:
        typer.echo(message.subject)
    typer.echo(f"{describe_look(taken, delivered)}.")
    for failure in delivered.failed:
        typer.echo(f"Error: {failure}", err=True)
    if delivered.failed:
        raise typer.Exit(1)


def _read_cursor(file: Path) -> str | None:
    """Return the stored cursor; None when there is none or it cannot be read, so that everything is checked again."""
    from feature_platform.monitoring.watching.cursor import decode_cursor

    try:
        cursor = file.read_text()
        decode_cursor(cursor)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, InvalidDeclaration) as error:
        typer.echo(f"Warning: {file} cannot be read and is written again: {error}", err=True)
        return None
    return cursor


def _keep_cursor(file: Path, cursor: str) -> None:
    """Store the cursor, whole or not at all. Without it, the next check reads more and still sends nothing twice."""
    beside = file.with_suffix(f".{os.getpid()}")
    try:
        beside.write_text(cursor)
        beside.replace(file)
    except OSError as error:
        typer.echo(f"Warning: {file} cannot be written: {error.strerror or error}", err=True)
        with suppress(OSError):
            beside.unlink(missing_ok=True)
