"""`feature-platform materialize` and `backfill`: compute tables in this process, without Dagster."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.errors import InvalidDeclaration, UnknownName

if TYPE_CHECKING:
    from feature_platform.offline import OfflineStore
    from feature_platform.pipelines.results import PublishResult

Assets = Annotated[
    list[str] | None,
    typer.Argument(help="Assets, e.g. `views/spending`, with what they are made from. Defaults to all."),
]
Start = Annotated[str | None, typer.Option(help="The beginning of the range in UTC, e.g. 2024-05-01.")]
End = Annotated[str | None, typer.Option(help="The end of the range, not included.")]


def materialize(assets: Assets = None, start: Start = None, end: End = None, project: ProjectName = None) -> None:
    """Compute and publish tables, upstream first: for a range of time, or for all data when none is given.

    Example: feature-platform materialize views/spending --start 2024-05-01 --end 2024-05-06
    """
    with one_line_errors():
        declared, store = load_project(project), open_store()
        wanted = _named_assets(declared, assets)
        _materialize(wanted, declared, store, start, end)
        _build([each for each in wanted if isinstance(each, TrainingSet)], store)


def backfill(
    start: Annotated[str, typer.Argument(help="The beginning of the range in UTC, e.g. 2024-01-01.")],
    end: Annotated[str, typer.Argument(help="The end of the range, not included.")],
    assets: Assets = None,
    pieces: Annotated[int, typer.Option(help="How many partitions are computed and committed at once.", min=1)] = 31,
    again: Annotated[bool, typer.Option("--again", help="Compute what is up to date again.")] = False,  # noqa: FBT002
    project: ProjectName = None,
) -> None:
    """Compute a range of time piece by piece until it is up to date; started again after a stop, it goes on from there.

    Example: feature-platform backfill 2024-01-01 2025-01-01 views/spending --pieces 31
    """
    from feature_platform.ground.clock import instant

    with one_line_errors():
        declared, store = load_project(project), open_store()
        span = instant(start, "Argument START"), instant(end, "Argument END")
        if span[1] <= span[0]:
            raise InvalidDeclaration("The range", "has an end that is not after its start", "Ranges are [start, end).")
        wanted = _named_assets(declared, assets)
        keys = declared.partitions.overlapping(*span)
        due = keys if again else _due_partitions(wanted, declared, store, keys)
        typer.echo(f"{len(due)} of {len(keys)} partitions are to be computed.")
        partitioned = [each for each in wanted if is_partitioned(each)]
        for first, last in _runs_of(keys, set(due), pieces):
            typer.echo(f"{first} to {last}:")
            bounds = declared.partitions.bounds(first)[0], declared.partitions.bounds(last)[1]
            _materialize(partitioned, declared, store, *bounds)
        whole = [each for each in wanted if not is_partitioned(each) and not isinstance(each, TrainingSet)]
        _materialize(whole, declared, store, None, None)
        _build([each for each in wanted if isinstance(each, TrainingSet)], store)


def _named_assets(project: Project, names: Sequence[str] | None) -> list[Asset]:
    """Return the assets with these names, with or without their kind; all without names."""
    if not names:
        return list(project.assets)
    chosen: list[Asset] = []
    for name in names:
        matches = [each for each in project.assets if name in (each.asset, each.name)]
        if len(matches) != 1:
            known = [each.asset for each in (matches or project.assets)]
            raise UnknownName(f"Project `{project.name}`", "one asset" if matches else "asset", name, known)
        chosen.extend(matches)
    return chosen


def _due_partitions(wanted: Sequence[Asset], project: Project, store: "OfflineStore", keys: list[str]) -> list[str]:
    """Return the partitions in which an asset, or what it is made from, is not up to date."""
    from feature_platform.declarations.project import order_declarations
    from feature_platform.pipelines.plan import stale_assets

    names = {each.asset for each in order_declarations(wanted) if each in project.assets}
    stale = [each for each in stale_assets(project, store, keys) if each.asset in names]
    due = {key for each in stale for key in each.due_partitions}
    return [key for key in keys if key in due]


def _runs_of(keys: Sequence[str], due: set[str], most: int) -> Iterator[tuple[str, str]]:
    """Yield the first and last of each run of neighbouring partitions that are due, of at most so many."""
    run: list[str] = []
    for key in keys:
        if run and (key not in due or len(run) == most):
            yield run[0], run[-1]
            run = []
        if key in due:
            run.append(key)
    if run:
        yield run[0], run[-1]


def _materialize(
    assets: Sequence[Asset],
    project: Project,
    store: "OfflineStore",
    start: str | datetime | None,
    end: str | datetime | None,
) -> None:
    from feature_platform.pipelines.materialization import materialize_each

    tables = [each for each in assets if not isinstance(each, TrainingSet)]
    among = project.declarations
    for published in materialize_each(tables, store, start, end, partitions=project.partitions, among=among):
        typer.echo(_line(published))


def _build(training_sets: Sequence[TrainingSet], store: "OfflineStore") -> None:
    from feature_platform.training.sets import build_training_set

    for each in training_sets:
        built = build_training_set(each, store)
        typer.echo(f"{each.asset}: {built.manifest['rows']} rows")


def _line(published: "PublishResult") -> str:
    """Return the result of one asset, in one line."""
    commit, asset = published.commit, published.candidate.asset
    if commit is None or not commit.changed:
        return f"{asset}: up to date"
    partitions = [key for key in commit.changed if key]
    where = f" in {len(partitions)} partitions, {min(partitions)} to {max(partitions)}" if partitions else ""
    rows = sum(published.rows.get(key, 0) for key in commit.changed)
    return f"{asset}: {rows} rows{where}, version {commit.version}"
