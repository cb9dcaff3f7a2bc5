"""`feature-platform publish`: bring what was computed online, where the feature server reads it."""

from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, loaded_project, one_line_errors, opened_store
from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import UnknownName

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Feature services or views; all services of the project when not said.", metavar="[NAME]..."),
]
_NOW = "Leave out what no moment from then on can see; the present when not said, e.g. 2013-12-31T12:00."


def publish(
    names: Names = None, project: ProjectName = None, now: Annotated[str | None, typer.Option(help=_NOW)] = None
) -> None:
    """Bring the views of services up to date in the online store.

    Example: feature-platform publish checkout
    """
    from feature_platform.serving.publication import publish as publish_online
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        declared, store, online = loaded_project(project), opened_store(), loaded_settings().online_store()
        moment = None if now is None else instant(now, "Option `--now`")
        wanted = _wanted(declared, names or [])
        for each in wanted:
            for done in publish_online(each, store, online, now=moment):
                typer.echo(f"{done.table.view}: {done.how}, {done.written} entries written")
        if not wanted:
            typer.echo(f"Project {declared.name} has no feature service. Declare one, or name a view.")


def _wanted(project: Project, names: list[str]) -> list[FeatureService | FeatureView]:
    """Return what is named, without naming a view twice; all services when nothing is."""
    services = {each.name: each for each in project.services}
    views = {each.name: each for each in project.assets if isinstance(each, FeatureView)}
    known: dict[str, FeatureService | FeatureView] = {**views, **services}
    for name in names:
        if name.removeprefix("views/") not in known:
            raise UnknownName(f"Project `{project.name}`", "feature service or view", name, known)
    asked = [known[name.removeprefix("views/")] for name in names] or list(services.values())
    return list(dict.fromkeys(asked))
