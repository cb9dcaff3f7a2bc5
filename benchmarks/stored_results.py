"""Results in a file: a line of JSON for each, appended as it is made; of what is measured the newest session counts."""

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar


class Stored(Protocol):
    """A dataclass with the figures of a run.

    Attributes:
        session: when the run of the suite began, as ISO 8601 text.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def session(self) -> str: ...

    @property
    def scale(self) -> float: ...

    @property
    def versions(self) -> Mapping[str, str]: ...


Result = TypeVar("Result", bound=Stored)


def append(result: Stored, file: Path) -> None:
    """Add a result to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(result)) + "\n")


def newest_results(
    file: Path, scale: float, kind: type[Result], measured: Callable[[Result], Hashable]
) -> list[Result]:
    """Return the results at a scale, each of the newest session of what it measured."""
    lines = file.read_text().splitlines() if file.exists() else []
    results = [each for each in (kind(**json.loads(line)) for line in lines) if each.scale == scale]
    sessions: dict[Hashable, str] = {}
    for each in results:
        sessions[measured(each)] = max(each.session, sessions.get(measured(each), ""))
    return [each for each in results if each.session == sessions[measured(each)]]
