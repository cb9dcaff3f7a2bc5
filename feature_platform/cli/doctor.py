"""`feature-platform doctor`: finds what is damaged, and mends it."""

from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store

_DEEP = "Read all rows and compare them with the hashes in the commits. This reads every table."
_MEND = "Move damaged files aside; nothing is deleted."


def doctor(
    mend: Annotated[bool, typer.Option("--mend", help=_MEND)] = False,  # noqa: FBT002
    deep: Annotated[bool, typer.Option("--deep", help=_DEEP)] = False,  # noqa: FBT002
    project: ProjectName = None,
) -> None:
    """Find what is damaged after a power cut, a full disk or a restored backup, and mend it with `--mend`.

    It examines the logs and files of all tables, access keys, alerts, the spool of pushes, and whether the online store
    is ahead of the offline one. Stop runs and servers before mending. The exit code is 1 while something is damaged.

    Example: feature-platform doctor --mend
    """
    from feature_platform.settings import loaded_settings
    from feature_platform.upkeep.doctor import ExaminedPlaces, examine

    with one_line_errors():
        settings, declared = loaded_settings(), load_project(project)
        places = ExaminedPlaces(
            open_store(),
            settings.online_store(),
            settings.alert_store(),
            settings.spool_folder,
            settings.access_folder,
        )
        faults = list(examine(declared, places, deep=deep))
        unmended = 0
        for each in faults:
            typer.echo(each.what)
            if mend and each.mend is not None:
                typer.echo(f"  mended: {each.mend()}")
            else:
                unmended += 1
        if not faults:
            typer.echo("Nothing is damaged.")
        elif not mend and any(each.mend is not None for each in faults):
            typer.echo("Run `feature-platform doctor --mend` to mend what can be mended.")
    if unmended:
        raise typer.Exit(1)
