"""`feature-platform confirm`: says that rows of a source were deleted or changed on purpose, and takes that in."""

from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.ground.table_names import TableKind

SourceName = Annotated[str, typer.Argument(help="The name of a source, e.g. `flights`.", metavar="SOURCE")]
First = Annotated[str | None, typer.Argument(help="The first partition; see `feature-platform status`.")]
Last = Annotated[str | None, typer.Argument(help="The last partition. Defaults to the first.")]


def confirm(
    source: SourceName,
    first: First = None,
    last: Last = None,
    project: ProjectName = None,
) -> None:
    """Confirm that rows were deleted or changed in a source on purpose, and take that in. Without partitions, list all.

    Example: feature-platform confirm orders 2024-01-05 2024-01-09 --project my_team.features
    """
    from feature_platform.declarations.source import Source
    from feature_platform.ground.errors import UnknownName
    from feature_platform.pipelines.materialization import materialize_asset
    from feature_platform.pipelines.plan import stale_assets

    with one_line_errors():
        declared, store = load_project(project), open_store()
        sources = {each.name: each for each in declared.assets if isinstance(each, Source)}
        name = TableKind.SOURCES.bare_name(source)
        if name not in sources:
            raise UnknownName(f"Project `{declared.name}`", "source", name, sources)
        if first is None:
            waiting = [each for each in stale_assets(declared, store) if each.asset == sources[name].asset]
            undecided = {key: each.reasons[key] for each in waiting for key in sorted(each.undecided)}
            for key, why in undecided.items():
                typer.echo(f"{key}: {why}.")
            if not undecided:
                typer.echo(f"No published rows of {sources[name].asset} wait for a decision.")
            return
        grid = declared.partitions
        span = grid.bounds(first)[0], grid.bounds(last or first)[1]
        published = materialize_asset(
            sources[name], store, span, grid, gone="taken", changed="taken"
        ).raise_if_refused()
        changed = published.commit.changed if published.commit else ()
        typer.echo(
            f"{sources[name].asset}: {len(changed)} partition(s) changed and have the rows of their source now. What "
            "is made from them is not up to date: see `feature-platform status`."
        )
