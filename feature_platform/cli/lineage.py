"""`feature-platform lineage`: sends recorded runs as OpenLineage events, or prints them."""

from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store

_SINCE = "Only runs that started at this time (UTC) or later, e.g. 2024-05-01. Defaults to all that are recorded."
_PRINT = "Print the events, one JSON object a line, and send nothing."


def send_lineage(
    since: Annotated[str | None, typer.Option(help=_SINCE)] = None,
    show: Annotated[bool, typer.Option("--print", "--dry-run", help=_PRINT)] = False,  # noqa: FBT002 - a flag
    project: ProjectName = None,
) -> None:
    """Send recorded runs as OpenLineage events, where OPENLINEAGE_URL, openlineage.yml or the setting `lineage` says.

    A run that was sent before is the same run there. The exit code is 1 when one is not taken.

    Example: feature-platform lineage --since 2024-05-01 --print
    """
    from feature_platform.ground.clock import instant
    from feature_platform.lineage.configuration import require_openlineage
    from feature_platform.lineage.records import read_runs_since
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        require_openlineage()
        from feature_platform.lineage.sending import make_events, send_run
        from feature_platform.lineage.transports import event_text, open_sender

        settings, store = loaded_settings().lineage_settings(), open_store()
        records = read_runs_since(store, None if since is None else instant(since, "--since"))
        maker = make_events(load_project(project), store, settings, records)
        if show:
            for record in records:
                for event in maker.events_of(record):
                    typer.echo(event_text(event))
            return
        with open_sender(settings) as sender:
            for record in records:
                send_run(maker, record, sender)
            typer.echo(f"{len(records)} run{'s' * (len(records) != 1)} sent to {sender.place}.")
