"""`feature-platform migrate` and `drop`: change tables whose declarations changed, and drop those of removed ones."""

from typing import TYPE_CHECKING, Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store

if TYPE_CHECKING:
    from feature_platform.upkeep.migration import TableChange
    from feature_platform.upkeep.orphans import Orphan

Renames = Annotated[
    list[str] | None, typer.Option("--rename", help="`TABLE.old=new`: values are carried over.", metavar="WORD")
]
Recomputed = Annotated[
    list[str] | None,
    typer.Option("--recompute", help="`TABLE.column`: give up its old values for the new type.", metavar="WORD"),
]


def migrate(
    tables: Annotated[list[str] | None, typer.Argument(help="Only these tables.", metavar="[TABLE]...")] = None,
    project: ProjectName = None,
    rename: Renames = None,
    recompute: Recomputed = None,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without it, only show what would happen.")] = False,
) -> None:
    """Change tables whose declarations lost, renamed or retyped columns. Without `--apply`, show what would happen.

    Each table gets one new version; older ones stay readable, and what was built from them can be built again.

    Example: feature-platform migrate --rename views/carrier_delays.count_7d=flights_7d --apply
    """
    from feature_platform.ground.errors import UnknownName
    from feature_platform.upkeep.migration import Migration, plan_migration
    from feature_platform.upkeep.migration import migrate as carry_out

    with one_line_errors():
        declared, store = load_project(project), open_store()
        plan = plan_migration(declared, store, renames=rename or (), recompute=recompute or ())
        for table in tables or ():
            if table not in (names := [each.asset for each in declared.assets]):
                raise UnknownName(f"Project `{declared.name}`", "table", table, names)
        changes = [each for each in plan.changes if not tables or each.table in tables]
        if not changes:
            typer.echo("Every table has the columns of its declaration, or gets the new ones in the next run.")
            return
        for change in changes:
            _show(change)
        if not apply:
            typer.echo("Nothing was changed. Add --apply to do it.")
            return
        for commit in carry_out(Migration(plan.project, tuple(changes)), store):
            typer.echo(f"{commit.table}: version {commit.version} has the new columns.")


def drop(
    names: Annotated[
        list[str], typer.Argument(help="What `status` lists as not declared any more.", metavar="NAME...")
    ],
    project: ProjectName = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without it, only show what would be lost.")] = False,
) -> None:
    """Drop what is stored of removed declarations: their tables with all versions, and what is served of them.

    Example: feature-platform drop views/old_delays --yes
    """
    from feature_platform.settings import loaded_settings
    from feature_platform.upkeep.orphans import drop_orphans, plan_drop

    with one_line_errors():
        declared, store, online = load_project(project), open_store(), loaded_settings().online_store()
        if yes:
            for each in drop_orphans(names, declared, store, online):
                typer.echo(f"{each.name} is dropped: {_lost(each)}.")
            return
        for each in plan_drop(names, declared, store, online):
            typer.echo(orphan_line(each))
        typer.echo("Nothing was dropped. Add --yes to do it; what is dropped cannot be restored.")


def orphan_line(orphan: "Orphan") -> str:
    """Return one line about what is stored of a removed declaration."""
    needed = f"; needed by {'; '.join(orphan.needed_by)}" if orphan.needed_by else ""
    return f"{orphan.name}: not declared any more, {_lost(orphan)} kept{needed}"


def _lost(orphan: "Orphan") -> str:
    facts = [f"{orphan.rows:,} rows"] if orphan.rows else []
    facts += [f"{len(orphan.tables)} tables with their versions"] if orphan.tables else []
    facts += [f"online/{orphan.online}"] if orphan.online else []
    return ", ".join(facts)


def _show(change: "TableChange") -> None:
    """Print what would happen to one table."""
    typer.echo(f"{change.table}: {change.rows:,} rows in {change.partitions} partitions are written anew")
    for name in change.removed:
        typer.echo(f"  - {name}: removed")
    for old, new in change.renamed.items():
        typer.echo(f"  ~ {old}: renamed to {new}")
    for name, (before, after) in change.retyped.items():
        how = "null until it is computed again" if name in change.recomputed else "each value has to stay the same"
        typer.echo(f"  ~ {name}: {before} becomes {after}, {how}")
    for name in change.added:
        hint = f"; or was it renamed? --rename {change.table}.{change.removed[0]}={name}" if change.removed else ""
        typer.echo(f"  + {name}: comes with the next run{hint}")
    if change.used_by:
        typer.echo(f"  used by {', '.join(change.used_by)}")
    for named in change.still_named:
        typer.echo(f"  has to change first: {named}")
