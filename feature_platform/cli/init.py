"""`feature-platform init`: a project that runs, from nothing or from a file of one's own."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from feature_platform.cli.shared import one_line_errors

_FROM = (
    "A CSV or Parquet file of your own. Its columns of time, key and values are guessed and printed. Without it, the "
    "project gets made-up orders."
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def init(
    name: Annotated[str, typer.Argument(help="The folder to make, and the name of its module.")],
    data: Annotated[Path | None, typer.Option("--from", help=_FROM, metavar="FILE")] = None,
) -> None:
    """Make a project that runs: a source, a view, a label, a training set, a test, and a README with what to do next.

    Example: feature-platform init shop --from orders.csv
    """
    from feature_platform.cli.starting.files import files_of, sample_orders
    from feature_platform.cli.starting.guess import guess_file
    from feature_platform.ground.errors import InvalidDeclaration

    with one_line_errors():
        folder = Path(name)
        module = folder.name
        if not _NAME.fullmatch(module):
            remedy = "Use small letters, digits and underscores, starting with a letter."
            raise InvalidDeclaration(f"Project {module!r}", "has a name that cannot be a module", remedy)
        if folder.exists() and any(folder.iterdir()):
            raise InvalidDeclaration(f"Folder {folder}", "exists and is not empty", "Name another one.")
        guess = None if data is None else guess_file(data.resolve())
        folder.mkdir(parents=True, exist_ok=True)
        if guess is None:
            file = folder / "data" / "orders.csv"
            file.parent.mkdir()
            file.write_text(sample_orders(datetime.now(UTC)))
            guess, place = guess_file(file), 'Path(__file__).parent / "data" / "orders.csv"'
        else:
            place = f"Path({json.dumps(guess.path.as_posix(), ensure_ascii=False)})"
        for path, text in files_of(module, guess, place).items():
            (folder / path).write_text(text)
    typer.echo(f"{folder} is a project now. {guess.describe()}")
    typer.echo(f"Next: cd {folder} && feature-platform materialize && feature-platform publish")
