"""`feature-platform take-over`: makes this machine the keeper of the alerts or access keys of a shared root."""

from enum import StrEnum
from typing import Annotated

import typer

from feature_platform.cli.shared import one_line_errors, open_store


class What(StrEnum):
    """What one machine keeps in its own files."""

    ALERTS = "alerts"
    KEYS = "keys"


def take_over(what: Annotated[What, typer.Argument(help="What this machine shall keep.")]) -> None:
    """Keep the alerts or the access keys of a root on an object store on this machine, and on no other any more.

    First copy the files of the other machine here: they are not in the object store.

    Example: feature-platform take-over alerts
    """
    from feature_platform.pipelines.holders import is_shared
    from feature_platform.pipelines.holders import take_over as take_over_here
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        settings, store = loaded_settings(), open_store()
        folder = settings.alerts_folder if what is What.ALERTS else settings.access_folder
        before = take_over_here(store, what.value, folder)
        if not is_shared(store):
            typer.echo(f"Nothing to take over: the {what} are below {store.root}, which is a folder.")
            return
        former = "" if before is None else f" Machine {before.host} kept them since {before.since:%F %H:%M} UTC."
        typer.echo(f"This machine keeps the {what} of {store.root} now, in {folder}.{former}")
