"""Holders: which machine keeps what is a file of one machine, where the tables are shared by several.

Alerts and access keys are files below `<root>` of a local root. Of a root on an object store they are files of the
machine that made them, and a second machine would have another truth without a word. So the shared store says which
machine holds them, in table `holders`: the first that writes, until another one is told to take over. Two that come at
the same moment are told apart by the log of the table.
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
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.commits import Once
from feature_platform.offline.opened import unrecorded

HOLDERS = "holders"
Held = Literal["alerts", "keys"]
_FILE = "machine"  # beside what is held: a name of this machine that no other has


@dataclass(frozen=True)
class Holder:
    """The machine that holds something.

    Attributes:
        number: how many held it before.
        machine: its name, which no other machine has; `host`: what people call it.
        since: when it began to (UTC).
    """

    number: int
    machine: str
    host: str
    since: datetime


def hold(store: OfflineStore, what: Held, folder: Path) -> None:
    """Become the holder when there is none; does nothing where the root is local.

    Args:
        folder: where the files of this machine are.

    Raises:
        HeldElsewhere: another machine is.
    """
    if is_shared(store) and holder_of(store, what) is None:
        _append(store, what, folder, 0)
    refuse_other_machines(store, what, folder)


def refuse_other_machines(store: OfflineStore, what: Held, folder: Path) -> None:
    """Refuse to read or change here what another machine holds.

    Raises:
        HeldElsewhere: another machine is the holder.
    """
    holder = holder_of(store, what) if is_shared(store) else None
    if holder is not None and holder.machine != _this_machine(folder):
        raise HeldElsewhere(what, holder.host, holder.since, str(store.root))


def take_over(store: OfflineStore, what: Held, folder: Path) -> Holder | None:
    """Make this machine the holder. What the other one kept stays there: copy its files first.

    Returns:
        Who held it before; None when nobody did, or where the root is local.
    """
    if not is_shared(store):
        return None
    before = holder_of(store, what)
    if before is None or before.machine != _this_machine(folder):
        _append(store, what, folder, 0 if before is None else before.number + 1)
        refuse_other_machines(store, what, folder)
    return before


@unrecorded()
def holder_of(store: OfflineStore, what: Held) -> Holder | None:
    """Return the machine that holds something; None when none does."""
    if not store.exists(HOLDERS):
        return None
    rows = store.read(HOLDERS).filter(pl.col("what") == what).sort("number").tail(1).collect()
    return Holder(*rows.select("number", "machine", "host", "since").row(0)) if rows.height else None


def _append(store: OfflineStore, what: Held, folder: Path, number: int) -> None:
    """Append the next holder, unless another machine was quicker."""
    row = {
        "what": what,
        "number": number,
        "machine": _this_machine(folder),
        "host": socket.gethostname(),
        "since": datetime.now(UTC),
    }
    stamp = CommitStamp(uuid4().hex, HOLDERS, "")
    store.append(HOLDERS, pl.DataFrame([row]), stamp=stamp, once=Once(what, number - 1, number))


def is_shared(store: OfflineStore) -> bool:
    """Whether several machines may have this root: it is no folder of this one."""
    return store.location(HOLDERS).folder is None


def _this_machine(folder: Path) -> str:
    """Return the name of this machine, which is made when it is first asked for.

    Of several processes that make it at once one wins, and none ever sees half a name.
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
