"""What all commands share: how they find the project and the store, and how they print errors."""

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
    from feature_platform.pipelines.holders import MachineFiles

ProjectName = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        help="The module of declarations. Defaults to `project` of \\[tool.feature_platform] in pyproject.toml, or to "
        "the module that the definitions.py of this folder is made from.",
        metavar="MODULE",
    ),
]
_CODE_LOCATION = "definitions"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print errors that the platform raises on purpose in one line; all others keep their traceback."""
    try:
        yield
    except FeaturePlatformError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    except pl.exceptions.PanicException as error:  # no `Exception`: Polars met what it had not foreseen
        reason = " ".join(str(error).split())
        typer.echo(f"Error: Polars stopped: {reason}. See `feature-platform doctor` for damaged files.", err=True)
        raise typer.Exit(1) from None


def load_project(named: str | None) -> Project:
    """Return the project with this name, or that of this folder.

    Raises:
        InvalidDeclaration: there is none, or it cannot be imported.
    """
    return project_of(_import_project(project_module(named)))


def project_module(named: str | None) -> str:
    """Return the module of declarations with this name, or that of this folder.

    Raises:
        InvalidDeclaration: there is none here.
    """
    from feature_platform.settings import loaded_settings, project_folder

    module = loaded_settings().project if named is None else named
    if module is not None:
        return module
    if any((folder / f"{_CODE_LOCATION}.py").is_file() for folder in (Path.cwd(), project_folder())):
        return _module_behind(_import_project(_CODE_LOCATION))
    raise InvalidDeclaration(
        "The command",
        f"needs a project, and {Path.cwd()} has none",
        'Use --project my_module, set project = "my_module" in [tool.feature_platform] of pyproject.toml, or go to the '
        f"folder of its {_CODE_LOCATION}.py.",
    )


def _module_behind(code_location: ModuleType) -> str:
    """Return the module that the Dagster definitions of a folder are made from: the one with declarations in it."""
    modules = [code_location, *(each for each in vars(code_location).values() if isinstance(each, ModuleType))]
    names = sorted({each.__name__ for each in modules if any(isinstance(x, Declaration) for x in vars(each).values())})
    if len(names) != 1:
        raise InvalidDeclaration(
            f"{_CODE_LOCATION}.py",
            f"imports {len(names)} modules of declarations{': ' if names else ''}{', '.join(names)}",
            "Name one of them: --project my_module.",
        )
    return names[0]


def _import_project(module: str) -> ModuleType:
    from feature_platform.settings import project_folder

    for folder in (str(project_folder()), ""):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ModuleNotFoundError("that cannot be the name of a module")
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InvalidDeclaration(
            f"Project `{module}`",
            f"cannot be imported: {error}",
            "Give a module that `python -c 'import ...'` finds from here.",
        ) from None


def machine_files() -> list[str]:
    """Return a line for each of what only one machine keeps although the tables are shared: alerts and access keys."""
    from feature_platform.pipelines.holders import holder_of, is_shared
    from feature_platform.settings import loaded_settings

    settings, store = loaded_settings(), open_store()
    if not is_shared(store):
        return []
    folders: dict[MachineFiles, Path] = {"alerts": settings.alerts_folder, "keys": settings.access_folder}
    lines = []
    for what, folder in folders.items():
        holder = holder_of(store, what)
        keeper = "the first machine that writes them" if holder is None else f"machine {holder.host}"
        lines.append(f"The {what} are not in {store.root} but in files of {keeper}; on this machine, in {folder}.")
    return lines


def open_store() -> "OfflineStore":
    """Open the offline store of the settings."""
    from feature_platform.offline import OfflineStore
    from feature_platform.settings import loaded_settings

    return OfflineStore(**loaded_settings().store_arguments())
