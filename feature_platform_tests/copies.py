"""Stores that many tests begin with: made once in a process, and copied for each test."""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from os import PathLike
from pathlib import Path


def begin_with(make: Callable[[Path], object], folder: str | PathLike[str]) -> None:
    """Fill a folder with what `make` writes into an empty one; it is called only the first time."""
    shutil.copytree(_made(make), folder, dirs_exist_ok=True)


@cache
def _made(make: Callable[[Path], object]) -> Path:
    folder = Path(tempfile.mkdtemp())
    make(folder)
    return folder
