"""`feature-platform stream`: reads the topics of a project; rows are online within a moment, and in the offline log."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.project import Project
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import UnknownName
from feature_platform.ground.table_names import TableKind

if TYPE_CHECKING:
    from feature_platform.streaming.taking import MessageTaker

_SOURCE = "A source to read the topic of; may be given again. Defaults to all that read one."
_ONCE = "Stop at the messages that were there at the start, instead of waiting for more."
_SKIP = "Go on with the oldest message that there is where some are gone that were never read."
_REPORTED = 10.0  # seconds from one line to the next


def stream(
    project: ProjectName = None,
    source: Annotated[list[str] | None, typer.Option(help=_SOURCE)] = None,
    once: Annotated[bool, typer.Option("--once", help=_ONCE)] = False,  # noqa: FBT002
    skip_lost: Annotated[bool, typer.Option("--skip-lost", help=_SKIP)] = False,  # noqa: FBT002
) -> None:
    """Read the topics that sources are fed by, each message exactly once.

    It may be killed at any moment, and be started on another machine: it goes on where it was.

    Example: feature-platform stream --source payments
    """
    from feature_platform.online.spool import Spool
    from feature_platform.serving.applying import Target
    from feature_platform.settings import loaded_settings
    from feature_platform.streaming.running import StreamRun

    with one_line_errors():
        declared, settings = load_project(project), loaded_settings()
        every = [asset for asset in declared.assets if isinstance(asset, Source)]
        read = _sources_to_read(declared, every, source or [])
        if not read:
            typer.echo(f"No source of project {declared.name} reads a topic. Declare one with fp.sources.Kafka(...).")
            return
        online = settings.online_store()
        with online.reader() as reader:
            target = Target(
                [asset for asset in declared.assets if isinstance(asset, FeatureView)],
                Spool(settings.spool_folder, on_warning=lambda warning: typer.echo(f"Warning: {warning}", err=True)),
                open_store(),
                online,
                declared.partitions,
                reader=reader,
            )
            run = StreamRun(every, read, target, lambda: datetime.now(UTC), _warn, skip_lost=skip_lost)
            for each in read:
                typer.echo(f"Reading {each.connector.location} into source {each.name}. Stop with Ctrl+C.")
            with _stop_signals() as stop:
                run.run(_reporting(run.takers, stop), upto_end=once)
            for taker in run.takers:
                typer.echo(_line_of(taker))


def _sources_to_read(project: Project, every: list[Source], names: list[str]) -> list[Source]:
    from feature_platform.streaming.running import stream_sources

    streams = {source.name: source for source, _ in stream_sources(every)}
    for name in names:
        if name not in streams:
            raise UnknownName(f"Project `{project.name}`", "source with a topic", name, streams)
    return [streams[name] for name in dict.fromkeys(names or streams)]


@contextmanager
def _stop_signals() -> Iterator[Event]:
    """Yield an event that is set when the process is asked to end."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reporting(takers: "list[MessageTaker]", stop: Event) -> Callable[[], bool]:
    """Return what tells whether to stop; now and then it prints what was read since."""
    last, counts = monotonic(), [0] * len(takers)

    def should_stop() -> bool:
        nonlocal last, counts
        if monotonic() - last >= _REPORTED:
            now = [taker.taken.messages for taker in takers]
            for taker, before, count in zip(takers, counts, now, strict=True):
                if count > before:
                    typer.echo(_line_of(taker))
            last, counts = monotonic(), now
        return stop.is_set()

    return should_stop


def _line_of(taker: "MessageTaker") -> str:
    taken = taker.taken
    newest = "" if taken.newest is None else f", the newest from {taken.newest:%Y-%m-%d %H:%M:%S} UTC"
    refused = (
        f", {taken.refused:,} refused (see the table {TableKind.UNREADABLE.of(taker.source.name)})"
        if taken.refused
        else ""
    )
    return f"{taker.source.name}: {taken.messages:,} messages read, {taken.rows:,} rows{refused}{newest}"


def _warn(text: str) -> None:
    typer.echo(f"Warning: {text}", err=True)
