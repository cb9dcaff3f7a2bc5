"""`feature-platform publish`: writes what was computed to the online store, where the feature server reads it."""

from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import UnknownName
from feature_platform.ground.table_names import TableKind

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Feature services or views. Defaults to all services of the project.", metavar="[NAME]..."),
]
_NOW = "Publish what requests from this moment on can read, e.g. 2013-12-31T12:00. Defaults to now."


def publish(
    names: Names = None, project: ProjectName = None, now: Annotated[str | None, typer.Option(help=_NOW)] = None
) -> None:
    """Update the views of services in the online store.

    Example: feature-platform publish checkout
    """
    from feature_platform.serving.publication import publish as publish_online
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        declared, store, online = load_project(project), open_store(), loaded_settings().online_store()
        moment = None if now is None else instant(now, "Option `--now`")
        targets = _targets_of(declared, names or [])
        for target in targets:
            for done in publish_online(target, store, online, now=moment):
                typer.echo(f"{done.table.view}: {done.how}, {done.written} entries written")
        if not targets:
            typer.echo(f"Project {declared.name} has no feature service. Declare one, or name a view.")


def _targets_of(project: Project, names: list[str]) -> list[FeatureService | FeatureView]:
    """Return the services and views with these names, each once; all services without names."""
    services = {each.name: each for each in project.services}
    views = {each.name: each for each in project.assets if isinstance(each, FeatureView)}
    known: dict[str, FeatureService | FeatureView] = {**views, **services}
    for name in names:
        if TableKind.VIEWS.bare_name(name) not in known:
            raise UnknownName(f"Project `{project.name}`", "feature service or view", name, known)
    targets = [known[TableKind.VIEWS.bare_name(name)] for name in names] or list(services.values())
    return list(dict.fromkeys(targets))
