"""`feature-platform rollback` and `release`: going back to a version, and letting runs go on from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.view import FeatureView

if TYPE_CHECKING:
    from feature_platform.offline.pins import Pin

TableName = Annotated[str, typer.Argument(help="The table of an asset, e.g. `views/carrier_delays`.", metavar="TABLE")]


def pinned_line(table: str, pin: "Pin", waiting: Mapping[str, str]) -> str:
    """Return one line about a pinned table: since when, what waits and why, and how to end the pin."""
    since = "" if pin.since is None else f" since {pin.since:%Y-%m-%d %H:%M} UTC"
    text = f"{table}: pinned at version {pin.version}{since}"
    if waiting:
        partitions = [key for key in waiting if key]
        where = f"{len(partitions)} partitions wait" if partitions else "its rows wait"
        text += f"; {where} for `feature-platform release {table}` ({'; '.join(sorted(set(waiting.values())))})"
    return text


def rollback(
    table: TableName,
    version: Annotated[int, typer.Argument(help="The version to restore; see `history`.")],
    project: ProjectName = None,
) -> None:
    """Restore an older version of a table as a new version; nothing is rewritten or lost.

    The table is pinned from then on: no run changes what was restored, until `feature-platform release TABLE`. What is
    served of it follows in the same command.

    Example: feature-platform rollback views/carrier_delays 3
    """
    from feature_platform.offline import CommitStamp
    from feature_platform.settings import loaded_settings
    from feature_platform.upkeep.pinning import republish

    with one_line_errors():
        declared, store = load_project(project), open_store()
        before = store.latest_version(table)
        commit = store.rollback(table, version, stamp=CommitStamp(uuid4().hex, table, ""))
        if version == before:
            typer.echo(f"{table}: version {version} is the newest one; nothing was done.")
            return
        content = f"version {commit.version} now has the content of version {version}"
        typer.echo(f"{table}: {content}; before, {before} was the newest.")
        typer.echo(f"It is pinned there: no run changes it until `feature-platform release {table}`.")
        if table not in {each.asset for each in declared.assets}:
            typer.echo(
                f"It is no table of project {project}, so nothing online follows. Name its project with --project."
            )
            return
        views = [each for each in declared.assets if isinstance(each, FeatureView)]
        end = declared.partitions.end
        moment = datetime.now(UTC) if end is None else min(datetime.now(UTC), end)
        for done in republish(table, views, store, loaded_settings().online_store(), now=moment):
            typer.echo(f"online/{done.table.view}: {done.how}, {done.written} entries written.")


def release(table: TableName) -> None:
    """End the pin of a rolled-back table; `status` then says what a run would change.

    Example: feature-platform release views/carrier_delays
    """
    from feature_platform.offline import CommitStamp

    with one_line_errors():
        store = open_store()
        store.latest_version(table)  # refuses an unknown table
        if store.pin(table) is None:
            typer.echo(f"{table} is not pinned.")
            return
        store.release(table, stamp=CommitStamp(uuid4().hex, table, ""))
        typer.echo(f"{table} is released; `feature-platform status` says what a run would change.")
