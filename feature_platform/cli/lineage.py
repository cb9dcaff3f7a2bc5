"""`feature-platform lineage`: the lineage of a column as a tree, or recorded runs as OpenLineage events."""

import json
from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.ground.errors import InvalidDeclaration

_COLUMN = "A column, e.g. `views/spending.price_trend`: print what it is made from, as a tree, and send nothing."
_DOWN = "With a column: what is made from it, down to services, training sets and spines."
_JSON = "With a column: print one JSON object."
_SINCE = "Only runs that started at this time (UTC) or later, e.g. 2024-05-01. Defaults to all that are recorded."
_PRINT = "Print the events, one JSON object a line, and send nothing."


def show_or_send(
    column: Annotated[str | None, typer.Argument(help=_COLUMN, metavar="[TABLE.COLUMN]")] = None,
    down: Annotated[bool, typer.Option("--down", help=_DOWN)] = False,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help=_JSON)] = False,  # noqa: FBT002
    since: Annotated[str | None, typer.Option(help=_SINCE)] = None,
    show: Annotated[bool, typer.Option("--print", "--dry-run", help=_PRINT)] = False,  # noqa: FBT002
    project: ProjectName = None,
) -> None:
    """Print the lineage of a column as a tree; without one, send recorded runs as OpenLineage events.

    Events go where OPENLINEAGE_URL, openlineage.yml or the setting `lineage` says. A run that was sent before is the
    same run there. The exit code is 1 when one is not taken.

    Example: feature-platform lineage views/carrier_delays.dep_delay_mean_7d --down
    """
    with one_line_errors():
        if column is None:
            if down or as_json:
                raise InvalidDeclaration(
                    "--down or --json",
                    "is given without a column",
                    "Name one: `feature-platform lineage views/spending.price_trend`.",
                )
            _send_lineage(since, project, show=show)
            return
        if since is not None or show:
            raise InvalidDeclaration(
                "--since or --print",
                f"is given with the column `{column}`",
                "They are about events of runs; drop them.",
            )
        from feature_platform.lineage.tree import lineage_tree

        tree = lineage_tree(load_project(project), column, open_store(), down=down)
    typer.echo(json.dumps(tree.facts()) if as_json else str(tree))


def _send_lineage(since: str | None, project: str | None, *, show: bool) -> None:
    from feature_platform.ground.clock import instant
    from feature_platform.lineage.configuration import require_openlineage
    from feature_platform.lineage.records import read_runs_since
    from feature_platform.settings import loaded_settings

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
