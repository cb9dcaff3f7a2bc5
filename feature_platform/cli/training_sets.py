"""`feature-platform training-set`: build, reproduce, compare and export training sets."""

from pathlib import Path
from typing import Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.errors import UnknownName

app = typer.Typer(help="Training sets: build them, compare versions, write their rows to files.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The name of a training set.", metavar="TRAINING_SET")]


@app.command()
def build(name: _Name, project: ProjectName = None) -> None:
    """Build a training set from the newest versions of what it reads, and commit it.

    Example: feature-platform training-set build delay_training
    """
    from feature_platform.training.sets import build_training_set

    with one_line_errors():
        built = build_training_set(_training_set(name, project), open_store())
    typer.echo(str(built))
    parts = built.manifest.get("parts")
    if isinstance(parts, dict):
        typer.echo("Parts: " + ", ".join(f"{part} {rows:,}" for part, rows in parts.items()))
    clipped = built.manifest.get("clipped")
    if isinstance(clipped, dict):
        typer.echo("Rows with a clipped request field: " + ", ".join(f"{name} {n:,}" for name, n in clipped.items()))


@app.command()
def reproduce(
    name: _Name,
    version: Annotated[int | None, typer.Option(help="Of the training set. Defaults to the newest.")] = None,
    project: ProjectName = None,
) -> None:
    """Build a version again from the tables that it was built from, and say whether the rows are the same.

    Nothing is published. The exit code is 1 when the rows differ.

    Example: feature-platform training-set reproduce delay_training --version 0
    """
    from feature_platform.training.reproduction import reproduce_training_set

    with one_line_errors():
        found = reproduce_training_set(_training_set(name, project), open_store(), version)
    typer.echo(str(found))
    if not found.is_identical:
        raise typer.Exit(1)


@app.command()
def compare(
    name: _Name,
    before: Annotated[int, typer.Argument(help="The earlier version; `history training_sets/NAME` lists them.")],
    after: Annotated[int | None, typer.Argument(help="The later one; the newest by default.")] = None,
    project: ProjectName = None,
) -> None:
    """Compare two versions of a training set: rows that came, went or changed, and by how much each column.

    Example: feature-platform training-set compare delay_training 0 1
    """
    from feature_platform.verification.version_diff import diff_versions

    with one_line_errors():
        typer.echo(str(diff_versions(_training_set(name, project), open_store(), before, after)))


@app.command()
def export(
    name: _Name,
    folder: Annotated[Path, typer.Argument(help="Where the files are written; made when it is not there.")],
    version: Annotated[int | None, typer.Option(help="Of the table. Defaults to the newest.")] = None,
    project: ProjectName = None,
) -> None:
    """Write the rows of a built training set as Parquet, one file for each part.

    Example: feature-platform training-set export delay_training ./rows
    """
    from feature_platform.training.export import write_parts

    with one_line_errors():
        rows = open_store().read(_training_set(name, project).asset, version=version)
        for file in write_parts(rows, folder):
            typer.echo(str(file))


def _training_set(name: str, project: str | None) -> TrainingSet:
    declared = load_project(project)
    known = {each.name: each for each in declared.assets if isinstance(each, TrainingSet)}
    if name not in known:
        raise UnknownName(f"Project `{declared.name}`", "training set", name, known)
    return known[name]
