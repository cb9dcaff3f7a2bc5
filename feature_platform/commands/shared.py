"""What every command does alike."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from feature_platform.declarations.project import Project, project_of
from feature_platform.errors import FeaturePlatformError, InvalidDeclaration

if TYPE_CHECKING:
    from feature_platform.offline import OfflineStore

FLIGHTS = "feature_platform.examples.flights.project"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Errors that the platform raises on purpose are one line; all others keep their traceback."""
    try:
        yield
    except FeaturePlatformError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


def loaded_project(module: str) -> Project:
    """The project of a module that is found from here.

    Raises:
        InvalidDeclaration: it cannot be imported.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ModuleNotFoundError("that is no name of a module")
        return project_of(import_module(module))
    except ModuleNotFoundError as error:
        raise InvalidDeclaration(
            f"Project `{module}`",
            f"cannot be imported: {error}",
            "Give a module that `python -c 'import ...'` finds from here.",
        ) from None


def opened_store() -> "OfflineStore":
    """The offline store of the settings."""
    from feature_platform.offline import OfflineStore
    from feature_platform.settings import loaded_settings

    return OfflineStore(**loaded_settings().store_arguments())
