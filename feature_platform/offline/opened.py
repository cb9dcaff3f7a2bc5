"""The Delta tables that a piece of work really opened, and their versions.

Delta keeps no trace of reads, so during a `with` block the constructor of `deltalake.DeltaTable` is wrapped; that sees
`pl.scan_delta`, `pl.read_delta` and user code alike. A lazy frame opens its tables when it is collected: collect inside
the block.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable


@dataclass(frozen=True, order=True)
class OpenedTable:
    """A table, by the URI that deltalake gives it, and the version that was opened."""

    table: str
    version: int


class OpenedTables:
    """The tables opened so far; more are added until its block ends.

    Iteration gives each pair of table and version once, sorted.
    """

    def __init__(self) -> None:
        self._noted: dict[int, tuple[DeltaTable, OpenedTable]] = {}

    def note(self, table: DeltaTable) -> None:
        """Record the version that `table` shows now; a table that is moved to another version counts only there."""
        self._noted[id(table)] = (table, OpenedTable(table.table_uri, table.version()))

    def names_below(self, root: str) -> list[str]:
        """Return the names of the tables below a folder or URI, which ends with `/`."""
        uris = [unquote(opened.table).removeprefix("file://").rstrip("/") for opened in self]
        return list(dict.fromkeys(uri.removeprefix(root) for uri in uris if uri.startswith(root)))

    def __iter__(self) -> Iterator[OpenedTable]:
        return iter(sorted({opened for _, opened in list(self._noted.values())}))

    def __len__(self) -> int:
        return len(set(self))


_recordings: ContextVar[tuple[OpenedTables, ...] | None] = ContextVar("recordings", default=None)
_all: list[OpenedTables] = []
_lock = threading.Lock()
_originals: list[tuple[str, Callable[..., None]]] = []


@contextmanager
def record_opened_tables() -> Iterator[OpenedTables]:
    """Record every Delta table opened in this block, also by code that does not know the platform.

    Blocks nest, and an inner block's tables count for the outer one too. Polars opens tables in threads of its own,
    which carry no context: a table that a thread outside every block opens counts for all open blocks. So nothing is
    ever missed, and two blocks that are open at once in one process may each see the other's lazy reads.

    >>> with record_opened_tables() as opened:
    ...     pass
    >>> list(opened)
    []
    """
    recording = OpenedTables()
    token = _recordings.set((*(_recordings.get() or ()), recording))
    with _lock:
        _all.append(recording)
        if len(_all) == 1:
            _wrap()
    try:
        yield recording
    finally:
        with _lock:
            _all.remove(recording)
            if not _all:
                _unwrap()
        _recordings.reset(token)


@contextmanager
def pause_recording() -> Iterator[None]:
    """Leave out the tables that this block opens: a store that looks at the table it writes reads no input."""
    token = _recordings.set(())
    try:
        yield
    finally:
        _recordings.reset(token)


def _wrap() -> None:
    for name in ("__init__", "load_as_version"):
        original = getattr(DeltaTable, name)
        _originals.append((name, original))
        setattr(DeltaTable, name, _with_note(original))


def _unwrap() -> None:
    while _originals:
        name, original = _originals.pop()
        setattr(DeltaTable, name, original)


def _with_note(original: Callable[..., None]) -> Callable[..., None]:
    def noting(table: DeltaTable, *args: Any, **kwargs: Any) -> None:
        original(table, *args, **kwargs)
        mine = _recordings.get()
        for recording in list(_all) if mine is None else mine:
            recording.note(table)

    return noting
