"""`feature-platform why`: which row or window, commit and source rows made one value, and whether its source agrees."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.project import Project
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.errors import InvalidDeclaration, UnknownName

if TYPE_CHECKING:
    from feature_platform.verification.why import Explainable

_NAME = "A feature of a view, an on-demand view, a service or an alias: `spending.price_sum_7d`. With `services/` or "
_NAME += "`views/` before it where both have the name. `training_sets/churn.price_sum_7d` asks for a `--row`."
_KEY = "A join key or request field: `customer=ann`; give one for each."
_AT = "The moment (UTC unless it says a zone), e.g. 2024-05-01T12:00Z."
_ROW = "The row of a training set, 0 for the first, in place of a key and a moment."
_VERSION = "Read a table at this version, `views/spending=3`; may be given again. The newest by default."
_DIFFERS = 3


def why(
    feature: Annotated[str, typer.Argument(help=_NAME, metavar="VIEW.FEATURE")],
    at: Annotated[str | None, typer.Option(help=_AT)] = None,
    key: Annotated[list[str] | None, typer.Option(help=_KEY, metavar="NAME=VALUE")] = None,
    row: Annotated[int | None, typer.Option(help=_ROW)] = None,
    version: Annotated[list[str] | None, typer.Option(help=_VERSION, metavar="TABLE=VERSION")] = None,
    rows: Annotated[int, typer.Option(help="How many of the rows behind it are shown.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 - a flag
    project: ProjectName = None,
) -> None:
    """Trace one value to the row or window, the commit and the source rows that made it, and make it once more.

    The exit code is 3 when a table does not say what its source says.

    Example: feature-platform why spending.price_sum_7d --key customer=ann --at 2024-05-01T12:00Z
    """
    import polars as pl

    from feature_platform.verification.tracing.reading import read_key
    from feature_platform.verification.why import why as trace
    from feature_platform.verification.why import why_row

    with one_line_errors():
        declared, name = _find(load_project(project), feature)
        store, versions = open_store(), {table: _number(text) for table, text in _pairs(version, "--version").items()}
        if isinstance(declared, TrainingSet):
            _require(row is not None and at is None and not key, feature, "a row of a training set", "--row 3")
            found = why_row(declared, name, int(row or 0), store, versions.get(declared.asset))
        else:
            _require(row is None and at is not None, feature, "a moment", "--at 2024-05-01T12:00Z")
            parts = read_key(declared, _pairs(key, "--key"), store, versions)
            found = trace(declared, name, parts, str(at), store, versions)
    if as_json:
        typer.echo(json.dumps(found.facts()))
    else:
        typer.echo(str(found))
        if found.rows.height and rows > 0:
            with pl.Config(tbl_hide_dataframe_shape=True, tbl_cols=-1, tbl_rows=rows, tbl_width_chars=200):
                typer.echo(found.rows)
    if found.differs:
        raise typer.Exit(_DIFFERS)


def _require(holds: bool, feature: str, what: str, example: str) -> None:  # noqa: FBT001
    """Refuse options that do not go with what is asked for."""
    if not holds:
        raise InvalidDeclaration(
            f"The question about `{feature}`", f"is one about {what}", f"Give {example}, and no other."
        )


def _find(project: Project, reference: str) -> "tuple[Explainable | TrainingSet, str]":
    """Return what a reference such as `spending.price_sum_7d` names, and the feature."""
    owner, dot, feature = reference.partition(".")
    if not dot or not feature:
        raise InvalidDeclaration(
            "The feature", f"is {reference!r}", "Write VIEW.FEATURE, e.g. `spending.price_sum_7d`."
        )
    kind, _, name = owner.rpartition("/")
    trained = [each for each in project.assets if isinstance(each, TrainingSet)]
    known: list[Explainable | TrainingSet] = [*_explainable(project), *trained]
    for each in known:
        if each.name == name and kind in ("", _folder_of(each)):
            return each, feature
    raise UnknownName(
        f"Project `{project.name}`", "view, service or training set", owner, dict.fromkeys(each.name for each in known)
    )


def _explainable(project: Project) -> "list[Explainable]":
    """Return the views of a project, on-demand views, aliases in its services, and the services."""
    from feature_platform.declarations.view import FeatureView

    stored = [each for each in project.assets if isinstance(each, FeatureView)]
    aliases = dict.fromkeys(view for service in project.services for view in service.views if view.aliased is not None)
    return [*stored, *project.on_demand, *aliases, *project.services]


def _folder_of(declared: "Explainable | TrainingSet") -> str:
    from feature_platform.declarations.service import FeatureService

    if isinstance(declared, TrainingSet):
        return declared.asset.partition("/")[0]
    return "services" if isinstance(declared, FeatureService) else "views"


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidDeclaration(option, f"is {text!r}", f"Write a name, `=` and a value: {option} name=value.")
        pairs[name] = value
    return pairs


def _number(text: str) -> int:
    if not text.isdecimal():
        raise InvalidDeclaration("--version", f"is {text!r}", "Give the number of a version; `history` lists them.")
    return int(text)
