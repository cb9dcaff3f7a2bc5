"""The embedded online store: one LMDB file for each generation of each view, on a local disk.

A generation is built beside the current one, synced, and named by the file `CURRENT` in one rename; later it is changed
in LMDB transactions. A process that is killed at any moment leaves the old state or the new one.

    <folder>/<view>/CURRENT          the number of the generation that is served
    <folder>/<view>/REMOVED          that of the last one of a view that was removed: no number is ever given twice
    <folder>/<view>/<number>/        data.mdb and lock.mdb: the tables `rows`, `pushed` (key -> tag) and `meta`
    <folder>/<view>/publish.lock     held by who builds or changes
    <folder>/<view>/write.lock       held by who pushes, and while another generation becomes the current one
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lmdb

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.errors import NotServed, OnlineConflict, OnlineStoreFailed
from feature_platform.ground.working_columns import ENTRY, KEY
from feature_platform.online.base import Batches, Carry, Merge, OnlineStore, Reader, some_of
from feature_platform.online.environments import acquire_environment, open_environment, open_tables, release_environment

_CURRENT, _REMOVED, _TABLE = "CURRENT", "REMOVED", b"table"
_NUMBER_BYTES = 32  # more than the number of a generation has
_MERGED_AT_ONCE = 2_000  # entries: bounds what is held in memory of those that are stored
_COMMIT_ROWS = 100_000  # of a generation that is built aside: bounds what a transaction holds in memory


@dataclass(frozen=True)
class Lmdb(OnlineStore):
    """An online store in a folder of this machine.

    Attributes:
        folder: on a local disk; LMDB does not work on network file systems.
        map_size: the most that one generation of a view can hold, in bytes. Address space, not memory or disk.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> Lmdb(folder.name).views()
    []
    >>> folder.cleanup()
    """

    folder: str | os.PathLike[str]
    map_size: int = 64 * 2**30

    def __post_init__(self) -> None:
        path = str(self.folder).removeprefix("lmdb://")
        object.__setattr__(self, "folder", str(Path(path).expanduser().resolve()))

    @property
    def location(self) -> str:
        return str(self.folder)

    def views(self) -> Sequence[str]:
        return sorted(each.parent.name for each in Path(self.folder).glob(f"*/{_CURRENT}"))

    def table(self, view: str) -> ServedTable | None:
        with self.reader() as reader:
            try:
                return reader.get(view, ())[0]
            except NotServed:
                return None

    def build(self, base: ServedTable | None, table: ServedTable, batches: Batches, carry: Carry) -> ServedTable:
        folder = self.folder_of(table.view)
        with _convert_errors("build a generation", folder):
            folder.mkdir(parents=True, exist_ok=True)
            with _lock(folder / "publish.lock"):
                self._check(base, table.view)
                _remove_generations(folder, keep=1)
                aside = _generation(
                    folder, (current_generation(folder) or current_generation(folder, _REMOVED) or 0) + 1
                )
                with open_environment(aside, map_size=self.map_size, sync=False) as env:
                    Generation(env).load(batches)
                with _lock(folder / "write.lock"):
                    built = self._finish(folder, aside, table, carry)
                    _point_to(folder, built.generation)
        return built

    def _finish(self, folder: Path, aside: Path, table: ServedTable, carry: Carry) -> ServedTable:
        """Add what was pushed to the current generation, and sync all to the disk; nobody has it open any more."""
        with open_environment(aside, map_size=self.map_size, sync=False) as env:
            new = Generation(env)
            self._carry(folder, new, carry)
            built = replace(table.at(int(aside.name), 0), entries=new.count())
            new.record_table(built)
            env.sync(force=True)
        return built

    def _carry(self, folder: Path, aside: "Generation", carry: Carry) -> None:
        """Carry what was pushed to the current generation into the one that will replace it."""
        if current_generation(folder) is None:
            return
        with self._current(folder) as env:
            old = Generation(env)
            with env.begin() as reading, aside.env.begin(write=True) as writing:
                for key, tag in reading.cursor(old.pushed):
                    stored = reading.get(key, db=old.rows)
                    carried = None if stored is None else carry(writing.get(key, db=aside.rows), stored, tag)
                    if carried is not None:
                        writing.put(key, carried, db=aside.rows)
                        writing.put(key, tag, db=aside.pushed)

    def change(
        self, base: ServedTable, table: ServedTable, batches: Batches, gone: Sequence[bytes], carry: Carry
    ) -> ServedTable:
        folder = self.folder_of(table.view)
        self._check(base, table.view)  # so that there is a folder to lock
        with _convert_errors("change a table", folder), _lock(folder / "publish.lock"), _lock(folder / "write.lock"):
            self._check(base, table.view)
            with self._current(folder) as env:
                current = Generation(env)
                with env.begin(write=True) as writing:
                    for batch in batches:
                        for key, entry in zip(batch[KEY].to_list(), batch[ENTRY].to_list(), strict=True):
                            current.publish(writing, key, entry, carry)
                    for key in gone:
                        current.publish(writing, key, None, carry)
                    entries = writing.stat(current.rows)["entries"]
                    changed = replace(table.at(base.generation, base.change + 1), entries=entries)
                    writing.put(_TABLE, changed.to_bytes(), db=current.meta)
        return changed

    def write(
        self,
        view: str,
        entries: Mapping[bytes, bytes],
        merge: Merge,
        tag: bytes,
        *,
        generation: int | None = None,
    ) -> None:
        folder = self.folder_of(view)
        if current_generation(folder) is None:
            raise NotServed(view, self.location)
        with _convert_errors("write pushed rows", folder), _lock(folder / "write.lock"), self._current(folder) as env:
            if generation is not None and Path(env.path()).name != _generation(folder, generation).name:
                raise OnlineConflict(view, f"generation {generation}", f"generation {current_generation(folder)}")
            current, all_keys = Generation(env), list(entries)
            with env.begin(write=True) as writing:
                for first in range(0, len(all_keys), _MERGED_AT_ONCE):
                    keys = all_keys[first : first + _MERGED_AT_ONCE]
                    stored = [writing.get(key, db=current.rows) for key in keys]
                    for key, entry in zip(keys, merge(stored, [entries[key] for key in keys]), strict=True):
                        writing.put(key, entry, db=current.rows)
                        writing.put(key, tag, db=current.pushed)

    def keys(self, view: str) -> Iterator[bytes]:
        folder = self.folder_of(view)
        if current_generation(folder) is None:
            return
        with self._current(folder) as env:
            current = Generation(env)
            with env.begin() as reading:
                yield from reading.cursor(current.rows).iternext(keys=True, values=False)

    def remove(self, view: str) -> None:
        folder = self.folder_of(view)
        if folder.is_dir():
            with _convert_errors("remove a view", folder), _lock(folder / "publish.lock"), _lock(folder / "write.lock"):
                if current_generation(folder) is not None:
                    (folder / _CURRENT).rename(folder / _REMOVED)
                _remove_generations(folder, keep=0)

    def reader(self) -> "LmdbReader":
        return LmdbReader(self)

    def folder_of(self, view: str) -> Path:
        """Return the folder of the generations of a view."""
        return Path(self.folder) / view

    @contextmanager
    def _current(self, folder: Path) -> Iterator[lmdb.Environment]:
        number = current_generation(folder)
        if number is None:
            raise NotServed(folder.name, self.location)
        with open_environment(_generation(folder, number), map_size=self.map_size, create=False) as env:
            yield env

    def _check(self, base: ServedTable | None, view: str) -> None:
        table = self.table(view)
        if (table.stamp if table else None) != (base.stamp if base else None):
            raise OnlineConflict(view, base.stamp if base else "nothing", table.stamp if table else "nothing")


class Generation:
    """The tables of one generation."""

    def __init__(self, env: lmdb.Environment) -> None:
        self.env = env
        self.rows, self.pushed, self.meta = open_tables(env, b"rows", b"pushed", b"meta")
        self._known: tuple[int, bytes, ServedTable] | None = None  # the last transaction that was read, and its table

    def get(self, keys: Sequence[bytes | None], most: int | None) -> tuple[ServedTable, Sequence[bytes | None]]:
        """Return the table and some entries, of one transaction."""
        with self.env.begin(self.rows) as reading:
            get, state, last = reading.get, reading.id(), self._known
            entries = [None if key is None else get(key) for key in keys] if most is None else some_of(keys, get, most)
            if last is not None and last[0] == state:
                return last[2], entries
            text = reading.get(_TABLE, db=self.meta)
        if text is None:
            raise OnlineStoreFailed("read a generation", self.env.path(), "it has lost its table")
        table = last[2] if last is not None and last[1] == text else ServedTable.from_bytes(text)
        self._known = (state, text, table)
        return table, entries

    def load(self, batches: Batches) -> None:
        """Store entries; those that come in the order of their keys are appended."""
        last = b""
        for batch in batches:
            for part in batch.iter_slices(_COMMIT_ROWS):
                keys = part[KEY].to_list()
                in_order = keys[0] > last and part[KEY].is_sorted()
                last = max(last, keys[-1])
                with self.env.begin(write=True) as writing:
                    rows = zip(keys, part[ENTRY].to_list(), strict=True)
                    writing.cursor(self.rows).putmulti(rows, append=in_order)

    def publish(self, writing: "lmdb.Transaction[bytes]", key: bytes, entry: bytes | None, carry: Carry) -> None:
        """Replace one published entry, and keep the part of pushed rows that is still needed."""
        tag = writing.get(key, db=self.pushed)
        stored = None if tag is None else writing.get(key, db=self.rows)
        carried = None if tag is None or stored is None else carry(entry, stored, tag)
        if tag is not None and carried is None:
            writing.delete(key, db=self.pushed)
        new = entry if carried is None else carried
        if new is None:
            writing.delete(key, db=self.rows)
        else:
            writing.put(key, new, db=self.rows)

    def record_table(self, table: ServedTable) -> None:
        """Record the table."""
        with self.env.begin(write=True) as writing:
            writing.put(_TABLE, table.to_bytes(), db=self.meta)

    def count(self) -> int:
        """Count the entries."""
        with self.env.begin() as reading:
            return reading.stat(self.rows)["entries"]


@dataclass
class _OpenGeneration:
    """A generation that a reader has open; it is closed when it is retired and its last reader is done."""

    number: int
    folder: Path
    generation: Generation
    users: int = 0
    retired: bool = False

    def close_if_unused(self) -> None:
        if self.retired and self.users == 0:
            release_environment(self.folder)


class LmdbReader(Reader):
    """The generations that were current when they were first read, or last refreshed."""

    def __init__(self, store: Lmdb) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._held: dict[str, _OpenGeneration] = {}

    def get(
        self, view: str, keys: Sequence[bytes | None], *, most: int | None = None
    ) -> tuple[ServedTable, Sequence[bytes | None]]:
        with self._guard:
            opened = self._held.get(view) or self._open(view)
            opened.users += 1
        try:
            return opened.generation.get(keys, most)
        except lmdb.Error as error:
            raise OnlineStoreFailed("read", str(opened.folder), str(error)) from error
        finally:
            with self._guard:
                opened.users -= 1
                opened.close_if_unused()

    def refresh(self) -> None:
        with self._guard:
            for view, opened in list(self._held.items()):
                if current_generation(self._store.folder_of(view)) != opened.number:
                    self._retire(view)

    def close(self) -> None:
        with self._guard:
            for view in list(self._held):
                self._retire(view)

    def _retire(self, view: str) -> None:
        opened = self._held.pop(view)
        opened.retired = True
        opened.close_if_unused()

    def _open(self, view: str) -> _OpenGeneration:
        folder, failed = self._store.folder_of(view), None
        while (number := current_generation(folder)) is not None:
            path = _generation(folder, number)
            try:
                self._held[view] = _OpenGeneration(number, path, _open_generation(path, self._store.map_size))
                return self._held[view]
            except lmdb.Error as error:
                if failed == number:
                    raise OnlineStoreFailed("open a generation", str(path), str(error)) from error
                failed = number  # others may have replaced and removed it meanwhile
        raise NotServed(view, self._store.location)


def _open_generation(folder: Path, map_size: int) -> Generation:
    env = acquire_environment(folder, map_size=map_size, create=False)
    try:
        return Generation(env)
    except lmdb.Error:
        release_environment(folder)
        raise


def current_generation(folder: Path, name: str = _CURRENT) -> int | None:
    """Return the number of the generation that is served; None when there is none.

    Raises:
        OnlineStoreFailed: the file that names it is damaged.
    """
    try:
        handle = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)  # asked for with each push, and before answers
    except FileNotFoundError:
        return None
    try:
        return int(os.read(handle, _NUMBER_BYTES))
    except ValueError as error:
        raise OnlineStoreFailed("read which generation is served", str(folder / name), "no number is in it") from error
    finally:
        os.close(handle)


def _generation(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}"


def _point_to(folder: Path, number: int) -> None:
    """Make a generation the current one, so that a power cut leaves the old pointer or the new one."""
    aside = folder / f"{_CURRENT}.next"
    with aside.open("w") as stream:
        stream.write(str(number))
        stream.flush()
        os.fsync(stream.fileno())
    aside.rename(folder / _CURRENT)
    for place in (folder, folder.parent):
        handle = os.open(place, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _remove_generations(folder: Path, keep: int) -> None:
    """Remove leftovers and older generations than the current one, except some that may still be opened."""
    newest = current_generation(folder) or 0
    for path in folder.iterdir():
        if path.is_dir() and path.name.isdigit() and not newest - keep <= int(path.name) <= newest:
            shutil.rmtree(path)
    if keep == 0:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock between processes and threads; the system releases it when its holder dies."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def _convert_errors(what: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, lmdb.Error) as error:
        raise OnlineStoreFailed(what, str(folder), str(error)) from error
