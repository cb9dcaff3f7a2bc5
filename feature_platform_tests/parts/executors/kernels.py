"""Kernels that other processes import: each does one thing that an executor must cope with."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_platform.ground.errors import MissingColumns
from feature_platform.parts.executors.base import write_atomically


@dataclass(frozen=True)
class Note:
    """A file to write, what to write into it, and how long to take."""

    file: Path
    text: str
    seconds: float = 0.0


def write(note: Note) -> str:
    time.sleep(note.seconds)
    with write_atomically(note.file) as unfinished:
        unfinished.write_text(note.text)
    return note.text


def write_and_fail(note: Note) -> str:
    with write_atomically(note.file) as unfinished:
        unfinished.write_text(note.text)
        if "bad" in note.text:
            raise MissingColumns(f"The note {note.text}", ["a"], ["b"])
        time.sleep(note.seconds)
    return note.text


def die(note: Note) -> str:
    os._exit(9)


def ask_polars(note: Note) -> str:
    return str(pl.DataFrame({"a": [1]}).select(note.text))


def process(note: Note) -> int:
    return os.getpid()
