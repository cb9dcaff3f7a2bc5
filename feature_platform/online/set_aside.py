"""The pushes that a spool sets aside: they cannot be read, or no log can take them. They become files with the reason.

A push is written to the folder `aside` and synced before it leaves the spool; nothing here ever removes one. Each
notice is a line in `noticed.jsonl`, until somebody removes the file.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from feature_platform.ground.clock import rfc3339
from feature_platform.ground.errors import FeaturePlatformWarning

_FOLDER, _NOTICED = "aside", "noticed.jsonl"


@dataclass(frozen=True)
class SetAsidePush:
    """A push that was set aside.

    Attributes:
        spool: the incarnation of the spool that took it; `unknown` if that is lost.
        source: empty if it is lost, as is `arrived_at`.
    """

    spool: str
    sequence: int
    source: str
    arrived_at: str
    reason: str

    def rows_file(self, folder: Path) -> Path:
        """Return the file of its rows: an Arrow IPC stream, for `pl.read_ipc_stream`."""
        return folder / _FOLDER / f"{self.spool}-{self.sequence:020d}.arrow"


@dataclass(frozen=True)
class Notice:
    """A notice about a spool: when, of which kind, and a sentence."""

    at: str
    kind: str
    message: str


def keep_aside(folder: Path, push: SetAsidePush, row_bytes: bytes) -> Path:
    """Write a push beside its spool, synced when this returns; return the file of its rows."""
    rows = push.rows_file(folder)
    rows.parent.mkdir(exist_ok=True)
    facts = json.dumps({**asdict(push), "set_aside_at": rfc3339(datetime.now(UTC))})
    for path, content in ((rows, row_bytes), (rows.with_suffix(".json"), facts.encode())):
        aside = path.with_name(f"{path.name}.next")
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.rename(path)
    for place in (rows.parent, folder):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return rows


def set_aside_in(folder: Path) -> Sequence[SetAsidePush]:
    """Return the pushes that were set aside from a spool, including one whose note is damaged."""
    return [_read(path) for path in sorted((folder / _FOLDER).glob("*.json"))]


def _read(path: Path) -> SetAsidePush:
    try:
        facts = json.loads(path.read_text())
        return SetAsidePush(**{name: facts[name] for name in SetAsidePush.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError):
        name, _, number = path.stem.rpartition("-")
        return SetAsidePush(name, int(number) if number.isdigit() else -1, "", "", "its note cannot be read")


def record(folder: Path, warning: FeaturePlatformWarning) -> None:
    """Append a warning to the notices; when the disk is full, the warning is only not noted."""
    line = {"at": rfc3339(datetime.now(UTC)), "kind": type(warning).__name__, "message": str(warning)}
    with suppress(OSError), (folder / _NOTICED).open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def notices_in(folder: Path) -> Sequence[Notice]:
    """Return the notices, oldest first; a line that was cut short is left out."""
    try:
        lines = (folder / _NOTICED).read_text().splitlines()
    except OSError:
        return []
    notices = []
    for line in lines:
        with suppress(ValueError, TypeError):
            notices.append(Notice(**json.loads(line)))
    return notices
