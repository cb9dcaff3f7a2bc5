"""The `feature-platform` command: what is done outside of Dagster."""

from collections.abc import Iterator
from datetime import datetime, timezone
from enum import StrEnum
from importlib.metadata import version as package_version
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table

from feature_platform.cli import (
    alerts,
    confirm,
    contract,
    doctor,
    holders,
    init,
    keys,
    lineage,
    materialize,
    migrate,
    pinning,
    publish,
    serve,
    sources,
    stream,
    training_sets,
    why,
)
from feature_platform.cli.shared import ProjectName, load_project, machine_files, one_line_errors, open_store
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Project
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.errors import UnknownName

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(alerts.app, name="alerts")
app.add_typer(keys.app, name="keys")
app.add_typer(sources.app, name="sources")
app.add_typer(training_sets.app, name="training-set")
app.command()(init.init)
app.command()(materialize.materialize)
app.command()(materialize.backfill)
app.command()(publish.publish)
app.command()(serve.serve)
app.command()(stream.stream)
app.command()(pinning.rollback)
app.command()(pinning.release)
app.command()(confirm.confirm)
app.command()(contract.contract)
app.command(name="lineage")(lineage.show_or_send)
app.command()(why.why)
app.command(name="take-over")(holders.take_over)
app.command()(doctor.doctor)
app.command()(migrate.migrate)
app.command()(migrate.drop)


def print_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    """Print the version and end, when asked to."""
    if asked:
        typer.echo(f"feature-platform {package_version('feature-platform')}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[  # noqa: FBT002
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compile a project, compute and serve its features, see what is stale, read and restore versions."""


REASONS = 5  # of one asset that are shown
TableName = Annotated[str, typer.Argument(help="The table of an asset, e.g. `views/carrier_delays`.", metavar="TABLE")]


class DemoName(StrEnum):
    """The demonstrations that there are."""

    FLIGHTS = "flights"
    RETAIL = "retail"


@app.command()
def demo(
    which: Annotated[DemoName, typer.Argument(help="Flights of 2013, or purchases of 2017.")] = DemoName.FLIGHTS,
) -> None:
    """Run a reference project on 336,776 real flights, or on 1.47 million purchases, and show the results.

    Example: feature-platform demo retail
    """
    from feature_platform.examples.demo import run_demo, run_retail_demo

    with one_line_errors():
        raise typer.Exit((run_retail_demo if which is DemoName.RETAIL else run_demo)(Console()))


_SOURCES = "Open the sources, too: tell which cannot be read, and where filters do not reach the data, and why."


@app.command()
def check(
    project: ProjectName = None,
    open_sources: Annotated[bool, typer.Option("--sources", help=_SOURCES)] = False,  # noqa: FBT002
) -> None:
    """Compile a project: every declaration, its expectations and its Dagster assets.

    The exit code is 1 when a service reads a deprecated feature after its end.

    Example: feature-platform check --project my_team.features
    """
    from feature_platform.orchestration.code_location import code_location
    from feature_platform.quality.validation import check_supported

    with one_line_errors():
        declared = load_project(project)
        expectations = [(each, rule) for each in declared.assets for rule in getattr(each, "expectations", ())]
        for _, rule in expectations:
            check_supported(rule)
        code_location(declared)
        typer.echo(f"{declared.name}: {len(declared.assets)} assets and {len(expectations)} expectations are fine.")
        for line in (*machine_files(), *_hidden_reads(declared)):
            typer.echo(line)
        if ended := list(_ended_features(declared)):
            typer.echo("\n".join(ended))
            raise typer.Exit(1)
        if open_sources and not sources.print_remarks(declared):
            raise typer.Exit(1)


def _ended_features(project: Project) -> Iterator[str]:
    """Yield a line for each feature that a service reads although it should have gone by now."""
    now = datetime.now(timezone.utc)
    for service in project.services:
        for view, name in service.features_read:
            about = view.about.get(name)
            if about is not None and about.until is not None and about.until <= now:
                instead = "" if about.successor is None else f" Read `{about.successor}` instead."
                yield f"{service.name}: `{view.name}.{name}` was to go on {about.until:%Y-%m-%d}.{instead}"


def _hidden_reads(project: Project) -> Iterator[str]:
    """Yield a line for each function of a project that opens data behind the platform's back."""
    from feature_platform.declarations.hidden_reads import hidden_reads

    computed = [each for each in project.declarations if isinstance(each, Label) and not each.has_table]
    for asset in (*project.assets, *computed):
        for function, readers in hidden_reads(asset).items():
            yield (
                f"{asset.asset}: `{function}` opens data by itself ({', '.join(readers)}), of which no commit names a "
                "version. Declare that as a source, and take its columns by `enrich=`."
            )


@app.command()
def status(project: ProjectName = None) -> None:
    """List what is not up to date, and why. Nothing is computed. The exit code is 1 when a source cannot be read.

    Example: feature-platform status
    """
    from feature_platform.cli.pinning import pinned_line
    from feature_platform.pipelines.plan import project_status
    from feature_platform.serving.catalogue import stale_online
    from feature_platform.settings import loaded_settings
    from feature_platform.upkeep.orphans import find_orphans

    with one_line_errors():
        declared, store = load_project(project), open_store()
        standing = project_status(declared, store)
        stale = standing.stale
        due, online = [each.asset for each in stale if each.due_partitions], loaded_settings().online_store()
        behind = stale_online(declared, store, online, due)
        if not stale and not behind and not standing.unreadable:
            typer.echo("Everything is up to date.")
        for asset, error in standing.unreadable.items():
            typer.echo(f"{asset}: cannot be checked: {error}")
        for each in stale:
            reasons = sorted(set(each.reasons.values()))
            if len(reasons) > REASONS:
                reasons[REASONS:] = [f"and {len(reasons) - REASONS} more reasons"]
            partitions = [key for key in each.reasons if key]
            where = f" ({len(partitions)} partitions, {partitions[0]} to {partitions[-1]})" if partitions else ""
            typer.echo(f"{each.asset}{where}: {'; '.join(reasons)}")
        for asset, reason in behind.items():
            typer.echo(f"{asset}: {reason}")
        for pinned in standing.pinned:
            typer.echo(pinned_line(pinned.asset, pinned.pin, pinned.waiting))
        for orphan in find_orphans(declared, store, online):
            typer.echo(migrate.orphan_line(orphan))
        if standing.unreadable:
            raise typer.Exit(1)


@app.command()
def catalog(project: ProjectName = None) -> None:
    """List every asset: its rows, version and newest event, and what is served of it.

    Example: feature-platform catalog
    """
    from feature_platform.cli.catalog import catalogue_table
    from feature_platform.serving.catalogue import catalogue_of
    from feature_platform.settings import loaded_settings
    from feature_platform.upkeep.orphans import find_orphans

    with one_line_errors():
        declared, store, online = load_project(project), open_store(), loaded_settings().online_store()
        Console().print(catalogue_table(catalogue_of(declared, store, online)))
        for orphan in find_orphans(declared, store, online):
            typer.echo(migrate.orphan_line(orphan))


@app.command()
def explain(
    training_set: Annotated[str, typer.Argument(help="The name of a training set.", metavar="TRAINING_SET")],
    project: ProjectName = None,
) -> None:
    """Explain how a training set would be joined, what would be read, and about what it would cost.

    Example: feature-platform explain delay_training
    """
    from feature_platform.training.sets import explain_training_set

    with one_line_errors():
        declared = load_project(project)
        known = {each.name: each for each in declared.assets if isinstance(each, TrainingSet)}
        if training_set not in known:
            raise UnknownName(f"Project `{declared.name}`", "training set", training_set, known)
        typer.echo(explain_training_set(known[training_set], open_store()))


@app.command()
def diff(
    table: TableName,
    before: Annotated[int, typer.Argument(help="The earlier version; `history` lists them.")],
    after: Annotated[int | None, typer.Argument(help="The later one; the newest by default.")] = None,
    rows: Annotated[int, typer.Option(help="How many rows that differ are shown.")] = 5,
    project: ProjectName = None,
) -> None:
    """Compare two versions of a table: rows that came, went or changed, and by how much each column.

    Example: feature-platform diff views/carrier_delays 3 7
    """
    import polars as pl

    from feature_platform.verification.version_diff import diff_versions

    with one_line_errors():
        found = diff_versions(load_project(project).asset(table), open_store(), before, after, examples=rows)
    typer.echo(found)
    if found.examples.height:
        with pl.Config(tbl_hide_dataframe_shape=True, tbl_cols=-1, tbl_rows=rows, tbl_width_chars=200):
            typer.echo(found.examples)


@app.command()
def history(table: TableName, limit: Annotated[int, typer.Option(help="How many versions.")] = 20) -> None:
    """List the versions of a table: when each was made, by which run and code, and from what.

    Example: feature-platform history views/carrier_delays
    """
    with one_line_errors():
        versions, pin = open_store().history(table).head(limit), open_store().pin(table)
    title = table if pin is None else f"{table}, pinned at version {pin.version}"
    printed = Table(title=title, box=SIMPLE_HEAD, padding=0)
    for name in ("version", "at (UTC)", "what", "rows", "run", "code", "made from"):
        justify: JustifyMethod = "right" if name in ("version", "rows") else "left"
        printed.add_column(name, justify=justify, no_wrap=name == "at (UTC)", overflow="fold")
    for row in versions.iter_rows(named=True):
        what = "[yellow]foreign write[/]" if row["foreign"] else row["kind"]
        if row["restored"] is not None:
            what = f"rollback to {row['restored']}"
        run, made_from = (row["run_id"] or "")[:8], (row["inputs"] or "").replace(", ", "\n")
        facts = (
            row["version"],
            f"{row['timestamp']:%Y-%m-%d %H:%M:%S}",
            what,
            row["rows"],
            run,
            (row["code_version"] or "")[:8],
        )
        printed.add_row(*("" if fact is None else str(fact) for fact in (*facts, made_from)))
    Console().print(printed)
