"""What every command does alike."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from feature_platform.errors import FeaturePlatformError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Errors that the platform raises on purpose are one line; all others keep their traceback."""
    try:
        yield
    except FeaturePlatformError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
