"""`feature-platform sources`: where each source reads, what is new there, and how its rows look."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Project
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError, UnknownName
from feature_platform.parts.sources import Kafka

if TYPE_CHECKING:
    from rich.table import Table

    from feature_platform.pipelines.source_status import SourceStatus

_SHOWN = 5  # rows of `try`
app = typer.Typer(help="List the sources of a project, or look at the rows of one.", invoke_without_command=True)


@app.callback()
def sources(context: typer.Context, project: ProjectName = None) -> None:
    """List each source: where it reads, what is new there, how far it is published. Nothing is written.

    The exit code is 1 when one cannot be read. `sources try NAME` shows rows.

    Example: feature-platform sources
    """
    from rich.console import Console

    from feature_platform.pipelines.source_status import status_of_sources

    if context.invoked_subcommand is not None:
        return
    with one_line_errors():
        declared = load_project(project)
        known = status_of_sources(_sources_of(declared), open_store(), declared.partitions)
        found = [_status_with_unread(each) for each in known]
    Console().print(_table_of(found))
    if not _print_remarks_of(found):
        raise typer.Exit(1)


def print_remarks(project: Project) -> bool:
    """Print what a run reads besides the rows that it takes in, and why; return whether all sources can be read."""
    from feature_platform.pipelines.source_status import status_of_sources

    return _print_remarks_of(status_of_sources(_sources_of(project), open_store(), project.partitions))


def _print_remarks_of(found: "list[SourceStatus]") -> bool:
    for each in found:
        if each.error is not None:
            typer.echo(f"{each.source.name}: {each.error}")
        elif each.remark is not None:
            typer.echo(f"{each.source.name}: {each.remark}.")
    return all(each.error is None for each in found)


@app.command(name="try")
def try_source(
    name: Annotated[str, typer.Argument(help="The name of a source.", metavar="NAME")],
    rows: Annotated[int, typer.Option(help="How many rows.", min=1)] = _SHOWN,
    project: ProjectName = None,
) -> None:
    """Read the first rows of a source, and show its columns before and after `prepare`.

    Example: feature-platform sources try orders --rows 10
    """
    from feature_platform.compute.transforms.rows import prepare_rows
    from feature_platform.pipelines.candidates.shared import reading_source

    with one_line_errors():
        declared = load_project(project)
        known = {each.name: each for each in _sources_of(declared)}
        if name not in known:
            raise UnknownName(f"Project `{declared.name}`", "source", name, known)
        source = known[name]
        with reading_source(source), source.connector.open(name) as data:
            raw = data.scan() if not isinstance(source.connector, Kafka) else _messages(source, source.connector, rows)
            prepared = prepare_rows(source, raw)
            before, after = raw.collect_schema(), prepared.collect_schema()
            head = prepared.head(rows).collect()
    keys = {
        key: view.name
        for view in declared.assets
        if isinstance(view, (FeatureView, Label)) and source in view.source.members
        for key in view.join_keys
    }
    typer.echo(f"{source.connector.location} ({source.connector.kind})")
    for column, dtype in after.items():
        typer.echo(f"  {column}: {dtype}{_role_of(column, source, keys)}")
    dropped = [column for column in before if column not in after]
    if dropped:
        typer.echo(f"  left out by `prepare`: {', '.join(dropped)}")
    with pl.Config(tbl_hide_dataframe_shape=True, tbl_cols=-1, tbl_rows=rows, tbl_width_chars=200):
        typer.echo(head)


def _messages(source: Source, words: Kafka, most: int) -> pl.LazyFrame:
    """Return the first messages of a topic as its rows."""
    from feature_platform.streaming.peeking import read_first_messages

    return read_first_messages(source, words, most).lazy()


def _status_with_unread(status: "SourceStatus") -> "SourceStatus":
    """Return the status of a source with how many messages of its topic are not read yet, where it has one."""
    words = status.source.connector
    if not isinstance(words, Kafka):
        return status
    from feature_platform.online.spool import Spool
    from feature_platform.settings import loaded_settings
    from feature_platform.streaming.peeking import count_unread

    try:
        unread = count_unread(status.source, words, Spool(loaded_settings().spool_folder), open_store())
    except FeaturePlatformError as error:
        return replace(status, error=error)
    return replace(status, unread=unread)


def _role_of(column: str, source: Source, keys: dict[str, str]) -> str:
    roles = {source.event_time: "event time", source.known_at: "known at"}
    role = roles.get(column) or (f"join key of {keys[column]}" if column in keys else None)
    return f", {role}" if role else ""


def _sources_of(project: Project) -> list[Source]:
    return [each for each in project.assets if isinstance(each, Source)]


def _table_of(found: "list[SourceStatus]") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=0)
    for title in ("source", "reads", "units", "since the last run", "published up to", "last run (UTC)"):
        table.add_column(title, justify="right" if title == "units" else "left", overflow="fold")
    for each in found:
        connector = each.source.connector
        last = "" if each.last_run is None else f"{each.last_run[0]:%Y-%m-%d %H:%M}, {each.last_run[1]:.1f} s"
        units = "" if each.units is None else f"{each.units:,}"
        newest = "nothing yet" if each.newest is None else each.newest or "all"
        news = _news_of(each)
        table.add_row(each.source.name, f"{connector.kind}: {connector.location}", units, news, newest, last)
    return table


def _news_of(status: "SourceStatus") -> str:
    if status.error:
        return "cannot be read"
    changes = "" if status.changes is None else str(status.changes)
    young = f"{status.young:,} may still be being written" if status.young else ""
    unread = "" if status.unread is None else f"{status.unread:,} unread messages"
    return ", ".join(filter(None, [changes, young, unread]))
