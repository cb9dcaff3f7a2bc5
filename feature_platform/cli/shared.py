"""What every command does alike."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from feature_platform.declarations.project import Declaration, Project, project_of
from feature_platform.ground.errors import FeaturePlatformError, InvalidDeclaration

if TYPE_CHECKING:
    from feature_platform.offline import OfflineStore
    from feature_platform.pipelines.holders import Held

ProjectName = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        help="The module of declarations; when not said, `project` of [tool.feature_platform] in pyproject.toml, or "
        "what the definitions.py of this folder is made from.",
        metavar="MODULE",
    ),
]
_CODE_LOCATION = "definitions"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Errors that the platform raises on purpose are one line; all others keep their traceback."""
    try:
        yield
    except FeaturePlatformError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    except pl.exceptions.PanicException as error:  # no `Exception`: Polars met what it had not foreseen
        said = " ".join(str(error).split())
        typer.echo(f"Error: Polars stopped: {said}. See `feature-platform doctor` for damaged files.", err=True)
        raise typer.Exit(1) from None


def loaded_project(named: str | None) -> Project:
    """Return the project that is named, or that of this folder.

    Raises:
        InvalidDeclaration: there is none, or it cannot be imported.
    """
    return project_of(_imported(project_module(named)))


def project_module(named: str | None) -> str:
    """Return the module of declarations that is named, or that of this folder.

    Raises:
        InvalidDeclaration: nothing here says which it is.
    """
    from feature_platform.settings import loaded_settings, project_folder

    found = loaded_settings().project if named is None else named
    if found is not None:
        return found
    if any((folder / f"{_CODE_LOCATION}.py").is_file() for folder in (Path.cwd(), project_folder())):
        return _module_behind(_imported(_CODE_LOCATION))
    raise InvalidDeclaration(
        "The command",
        f"is not told which project it is about, and {Path.cwd()} has none",
        'Say --project my_module, set project = "my_module" in [tool.feature_platform] of pyproject.toml, or go to the '
        f"folder of its {_CODE_LOCATION}.py.",
    )


def _module_behind(code_location: ModuleType) -> str:
    """Return the module that the Dagster definitions of a folder are made from: the one with declarations in it."""
    held = [code_location, *(each for each in vars(code_location).values() if isinstance(each, ModuleType))]
    found = sorted({each.__name__ for each in held if any(isinstance(one, Declaration) for one in vars(each).values())})
    if len(found) != 1:
        raise InvalidDeclaration(
            f"{_CODE_LOCATION}.py",
            f"imports {len(found)} modules of declarations{': ' if found else ''}{', '.join(found)}",
            "Say which is meant: --project my_module.",
        )
    return found[0]


def _imported(module: str) -> ModuleType:
    from feature_platform.settings import project_folder

    for folder in (str(project_folder()), ""):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ModuleNotFoundError("that is no name of a module")
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InvalidDeclaration(
            f"Project `{module}`",
            f"cannot be imported: {error}",
            "Give a module that `python -c 'import ...'` finds from here.",
        ) from None


def held_here() -> list[str]:
    """Return what is kept on this machine alone although the tables are shared, a line for each."""
    from feature_platform.pipelines.holders import holder_of, is_shared
    from feature_platform.settings import loaded_settings

    settings, store = loaded_settings(), opened_store()
    if not is_shared(store):
        return []
    folders: tuple[tuple[Held, Path], ...] = (("alerts", settings.alerts_folder), ("keys", settings.access_folder))
    lines = []
    for what, folder in folders:
        holder = holder_of(store, what)
        held = "nobody yet; the first machine that writes them" if holder is None else f"machine {holder.host}"
        lines.append(f"The {what} are files of one machine, here in {folder}, and not of {store.root}. Held by {held}.")
    return lines


def opened_store() -> "OfflineStore":
    """The offline store of the settings."""
    from feature_platform.offline import OfflineStore
    from feature_platform.settings import loaded_settings

    return OfflineStore(**loaded_settings().store_arguments())
