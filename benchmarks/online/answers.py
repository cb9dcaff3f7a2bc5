"""Whether two servers that speak Feast's contract say the same: values, statuses and event times of each column.

Event times are compared to the second, since Feast's store keeps no more.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.online.processes import Server

PATH = "/get-online-features"
_SAME = {"NULL_VALUE": "PRESENT"}  # a stored null, which Feast itself calls present

Cell = tuple[object, str, datetime]


class AnswersDiffer(Exception):
    """Two servers were asked the same and say something else."""


def compare(ours: Server, theirs: Server, bodies: Sequence[str]) -> int:
    """How many cells were compared, all of them the same.

    Raises:
        AnswersDiffer: names the first difference.
    """
    return sum(_compared(*(_answer(server, body) for server in (ours, theirs))) for body in bodies)


def sample(file: Path, count: int) -> list[str]:
    """The first of the bodies of a file."""
    return file.read_text().splitlines()[:count]


def columns(answer: Mapping[str, Any]) -> dict[str, list[Cell]]:
    """An answer by name: value, status and event time of each entity."""
    names, results = answer["metadata"]["feature_names"], answer["results"]
    return {name: list(map(_cell, *(each[part] for part in _PARTS))) for name, each in zip(names, results, strict=True)}


_PARTS = ("values", "statuses", "event_timestamps")


def _cell(found: object, status: str, at: str) -> Cell:
    return found, _SAME.get(status, status), datetime.fromisoformat(at).replace(microsecond=0)


def _answer(server: Server, body: str) -> dict[str, list[Cell]]:
    status, text = server.ask(PATH, body.encode())
    if status != 200:
        raise AnswersDiffer(f"{server.url} answers {status}: {text[:200]!r}")
    return columns(json.loads(text))


def _compared(ours: Mapping[str, list[Cell]], theirs: Mapping[str, list[Cell]]) -> int:
    if ours.keys() != theirs.keys():  # Feast's own server gives them in an order of its own
        raise AnswersDiffer(f"The names are {list(ours)} and {list(theirs)}.")
    for name, cells in ours.items():
        for row, (mine, other) in enumerate(zip(cells, theirs[name], strict=True)):
            if mine != other:
                raise AnswersDiffer(f"`{name}` of entity {row} is {mine} and {other}.")
    return sum(map(len, ours.values()))
