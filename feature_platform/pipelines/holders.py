"""Holders: which machine keeps the files that only one machine has, when several machines share the tables.

Alerts and access keys are files below `<root>` of a local root. When the root is on an object store, they are files of
the machine that made them, and a second machine would silently have others. So the table `holders` of the shared store
names the machine that holds them: the first that writes, until another one takes over. When two write at the same
moment, the log of the table decides.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

import polars as pl

from feature_platform.ground.errors import HeldElsewhere
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.commits import Once

HOLDERS = TableKind.HOLDERS.value
MachineFiles = Literal["alerts", "keys"]
_FILE = "machine"  # beside the files: a name of this machine that no other has


@dataclass(frozen=True)
class Holder:
    """The machine that holds alerts or access keys.

    Attributes:
        number: how many machines held them before.
        machine: its name, which no other machine has; `host`: its name for people.
        since: since when it holds them (UTC).
    """

    number: int
    machine: str
    host: str
    since: datetime


def hold(store: OfflineStore, what: MachineFiles, folder: Path) -> None:
    """Hold files: make this machine the holder when there is none; do nothing when the root is local.

    Args:
        folder: where the files of this machine are.

    Raises:
        HeldElsewhere: another machine is the holder.
    """
    if is_shared(store) and holder_of(store, what) is None:
        _append(store, what, folder, 0)
    refuse_other_machines(store, what, folder)


def refuse_other_machines(store: OfflineStore, what: MachineFiles, folder: Path) -> None:
    """Refuse to read or change files here that another machine holds.

    Raises:
        HeldElsewhere: another machine is the holder.
    """
    holder = holder_of(store, what) if is_shared(store) else None
    if holder is not None and holder.machine != _this_machine(folder):
        raise HeldElsewhere(what, holder.host, holder.since, str(store.root))


def take_over(store: OfflineStore, what: MachineFiles, folder: Path) -> Holder | None:
    """Take over: make this machine the holder. The files of the other machine stay there: copy them first.

    Returns:
        The former holder; None when there was none, or when the root is local.
    """
    if not is_shared(store):
        return None
    before = holder_of(store, what)
    if before is None or before.machine != _this_machine(folder):
        _append(store, what, folder, 0 if before is None else before.number + 1)
        refuse_other_machines(store, what, folder)
    return before


def holder_of(store: OfflineStore, what: MachineFiles) -> Holder | None:
    """Return the machine that holds these files; None when none does."""
    if not store.exists(HOLDERS):
        return None
    rows = store.read(HOLDERS).filter(pl.col("what") == what).sort("number").tail(1).collect()
    return Holder(*rows.select("number", "machine", "host", "since").row(0)) if rows.height else None


def _append(store: OfflineStore, what: MachineFiles, folder: Path, number: int) -> None:
    """Append the next holder, unless another machine was quicker."""
    row = {
        "what": what,
        "number": number,
        "machine": _this_machine(folder),
        "host": socket.gethostname(),
        "since": datetime.now(UTC),
    }
    stamp = CommitStamp(uuid4().hex, HOLDERS, "")
    store.append(HOLDERS, pl.DataFrame([row]), stamp=stamp, once=[Once(what, number - 1, number)])


def is_shared(store: OfflineStore) -> bool:
    """Tell whether several machines may share this root: it is not a local folder."""
    return store.location(HOLDERS).folder is None


def _this_machine(folder: Path) -> str:
    """Return the name of this machine, which the first call makes.

    When several processes make it at once, one wins, and none ever sees half a name.
    """
    file = folder / _FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        name = uuid4().hex
        aside = folder / f"{_FILE}.{name}"
        aside.write_text(name)
        with suppress(FileExistsError):
            file.hardlink_to(aside)
        aside.unlink()
    return file.read_text()
