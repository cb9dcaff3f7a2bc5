"""`feature-platform serve`: the feature server; it prints its address, what it serves and how to stop it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, project_module
from feature_platform.declarations.project import Project
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import NothingServed

if TYPE_CHECKING:
    from feature_platform.server.settings import ServerSettings

_HOST = "The address to listen on. One that other machines reach needs access keys or JWT."
_NOW = "Serve as if the server had started at this moment; for historical data, e.g. 2013-06-01T12:00."
_EVENTS = "The most events that the exact windows of one request are computed from."
_ENTITIES = "Log every request with its entities. Without it, no log contains an entity."


def serve(
    project: ProjectName = None,
    host: Annotated[str, typer.Option(help=_HOST)] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.", min=0, max=65_535)] = 6566,
    workers: Annotated[int, typer.Option(help="How many processes answer requests.", min=1, max=256)] = 1,
    now: Annotated[str | None, typer.Option(help=_NOW)] = None,
    frozen: Annotated[bool, typer.Option("--frozen", help="Stop the clock at `--now`.")] = False,  # noqa: FBT002
    max_entities: Annotated[int, typer.Option(help="The most entities of one request.", min=1)] = 1_000,
    max_events: Annotated[int, typer.Option(help=_EVENTS, min=1)] = 3_000_000,
    log_entities: Annotated[bool, typer.Option("--log-entities", help=_ENTITIES)] = False,  # noqa: FBT002
    log_level: Annotated[str, typer.Option(help="`debug` logs refused requests, too.")] = "info",
) -> None:
    """Serve the newest values of features over HTTP, to the native API and to Feast's clients.

    Example: feature-platform serve --now 2013-12-31T12:00 --port 6566
    """
    from feature_platform.server.limits import Limits
    from feature_platform.server.now import Clock
    from feature_platform.server.settings import PushSettings, ServerSettings
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        settings, module = loaded_settings(), project_module(project)
        clock = Clock.replay(None if now is None else instant(now, "Option `--now`"), frozen=frozen)
        _serve(
            load_project(module),
            ServerSettings(
                project=module,
                online=settings.online_address,
                access_folder=settings.access_folder,
                host=host,
                allowed_hosts=tuple(settings.allowed_hosts),
                jwt=settings.jwt_arguments(),
                clock=clock,
                log_entities=log_entities,
                log_level=log_level,
                limits=Limits(entities=max_entities, events=max_events),
                offline=settings.store_arguments(),
                request_log_sample=settings.request_log_sample,
                alerts=settings.alert_store().path.parent,
                state=settings.server_folder,
                pushing=PushSettings(settings.store_arguments(), settings.spool_folder, settings.push_flush_seconds),
            ),
            host,
            port,
            workers,
            access_required=settings.access_required,
        )


def _serve(
    project: Project, settings: "ServerSettings", host: str, port: int, workers: int, *, access_required: bool
) -> None:
    """Check what can be checked before the first request, print what is served, and serve."""
    from feature_platform.access import check_bind
    from feature_platform.online import store_of
    from feature_platform.server.catalogue import Offer, missing_views
    from feature_platform.server.hosts import Hosts
    from feature_platform.server.run import bound_socket, gate_of, run

    Hosts(settings.allowed_hosts, host)  # refuses what is no name of a host
    gate = gate_of(settings)
    check_bind(host, gate.shut, required=access_required)
    settings = replace(settings, keys_needed=gate.keys_needed)
    store, offer = store_of(settings.online), Offer(project)
    with store.reader() as reader:
        missing = missing_views(offer.stored_views, reader)
    if len(missing) == len(offer.stored_views):
        raise NothingServed(project.name, store.location)
    listening = bound_socket(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}"
    for each in missing:
        typer.echo(f"Warning: view {each['view']} cannot be read: {each['why']}.", err=True)
    typer.echo(f"Starting {'one worker' if workers == 1 else f'{workers} workers'} ...")

    def say_ready() -> None:
        typer.echo(f"Serving {', '.join(offer.services) or 'single views'} of project {project.name} at {url}")
        typer.echo(f"from {store.location}, {'as of now' if settings.clock.is_present else 'replaying the past'},")
        typer.echo(f"{'to holders of a key or JWT' if gate.shut else 'without authentication'}. Stop with Ctrl+C.")
        typer.echo(f"Try: curl {url}/v1/services")

    run(settings, listening, workers, say_ready)
