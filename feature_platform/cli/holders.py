"""`feature-platform take-over`: this machine keeps the alerts or access keys of a shared root from now on."""

from enum import StrEnum
from typing import Annotated

import typer

from feature_platform.cli.shared import one_line_errors, opened_store


class What(StrEnum):
    """What is a file of one machine."""

    ALERTS = "alerts"
    KEYS = "keys"


def take_over(what: Annotated[What, typer.Argument(help="What this machine is to keep.")]) -> None:
    """Keep the alerts or the access keys of a root on an object store on this machine, and no more on another.

    Copy the files of the other machine here first: they are not in the object store.

    Example: feature-platform take-over alerts
    """
    from feature_platform.pipelines.holders import is_shared
    from feature_platform.pipelines.holders import take_over as take_over_here
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        settings, store = loaded_settings(), opened_store()
        folder = settings.alerts_folder if what is What.ALERTS else settings.access_folder
        before = take_over_here(store, what.value, folder)
        if not is_shared(store):
            typer.echo(f"Nothing to take over: the {what} are below {store.root}, which is a folder.")
            return
        told = "" if before is None else f" They were held by machine {before.host} since {before.since:%F %H:%M} UTC."
        typer.echo(f"The {what} of {store.root} are held by this machine, in {folder}.{told}")
