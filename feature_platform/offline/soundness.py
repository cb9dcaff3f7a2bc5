"""Soundness: checks whether the log and the files of a local table are complete, and mends damage.

A power cut may leave the newest commits cut short or empty, files that were never written to the disk, and a checkpoint
that cannot be read, because delta-rs syncs nothing. Mending only moves what is damaged to `<root>/damaged/`; nothing is
deleted. The next run of a partition whose file is lost writes it again.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_platform.ground.errors import EngineStopped, FeaturePlatformError, TableDamaged, join_names
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline.commits import open_table, reason_of
from feature_platform.offline.files import LiveFile, live_files
from feature_platform.offline.hashing import has_content
from feature_platform.offline.history import partition_states
from feature_platform.offline.names import Location
from feature_platform.offline.opened import OpenedTables

_LOG, _LAST = "_delta_log", "_last_checkpoint"
_MAGIC = b"PAR1"  # a Parquet file begins and ends with it
_RUN = "The next run of the partition writes it anew, after mending has moved the damaged file aside."
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What Polars raises over a damaged file; its panics are no `Exception`."""


@dataclass(frozen=True)
class Damage:
    """One thing that is damaged.

    Attributes:
        table: the table it belongs to; `partition`: the partition of a data file.
        path: its place, below the folder of the table.
        found: what is wrong, in words.
        mending: what `mend` does and what has to be done then; None when it can do nothing, and a copy is needed.
        is_data: whether it holds rows, and is not part of the log.
    """

    table: str
    path: str
    found: str
    mending: str | None
    partition: str | None = None
    is_data: bool = False

    def __str__(self) -> str:
        where = f" {self.partition}" if self.partition else ""
        cure = "It cannot be mended here: restore the table from a copy." if self.mending is None else self.mending
        return f"{self.table}{where}: {self.path} {self.found}. {cure}"


def is_whole(location: Location, file: LiveFile) -> bool:
    """Tell whether a data file exists, has the length in the log, and ends as a Parquet file does.

    Damage inside the file is seen only by its hash. An object store writes a file whole or not at all, and is not
    asked.
    """
    if location.folder is None or "://" in file.path:
        return True
    try:
        with (location.folder / file.path).open("rb") as opened:
            if os.fstat(opened.fileno()).st_size != file.size:
                return False
            opened.seek(-len(_MAGIC), os.SEEK_END)
            return opened.read() == _MAGIC
    except OSError:
        return False


def damages(location: Location, *, deep: bool = False) -> list[Damage]:
    """Return what is damaged in the newest version of a table; a table on an object store is not looked at.

    Args:
        deep: read all rows and compare them with the hashes in the commits.
    """
    if location.folder is None or not (location.folder / _LOG).is_dir():
        return []
    of_the_log = [*_damaged_commits(location, location.folder), *_damaged_checkpoints(location, location.folder)]
    return of_the_log or list(_damaged_files(location, deep=deep))


def mend(location: Location, damaged: Sequence[Damage], root: Path, *, is_log: bool = False) -> list[Path]:
    """Move aside what is damaged and can be mended; return where it is now.

    Args:
        root: the root of the store, below which `damaged/` is made.
        is_log: no run writes this table again: a commit records that the files are gone, and their rows are lost.
    """
    folder = location.folder
    if folder is None:
        return []
    place = root / "damaged" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}" / location.table
    moved = []
    for damage in damaged:
        source = folder / damage.path
        if damage.mending is not None and source.exists():
            target = place if damage.path == "." else place / damage.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
            moved.append(target)
    if is_log and any(damage.is_data for damage in damaged):
        open_table(location).repair()
    return moved


def _damaged_commits(location: Location, folder: Path) -> Iterator[Damage]:
    commits = {int(path.stem): path for path in (folder / _LOG).glob("*.json") if path.stem.isdigit()}
    if not commits:
        return
    broken = [version for version, path in sorted(commits.items()) if not _is_commit(path)]
    sound = [version for version in commits if version not in broken]
    covered = max(_sound_checkpoints(folder), default=-1) if broken else -1
    if not sound and covered < 0:
        yield Damage(location.table, ".", "has no undamaged commit", "Mending moves the table aside; run it anew.")
        return
    newest = max([*sound, covered])
    for version in broken:
        if version > newest:
            mending = f"Mending moves it aside: the table is then at version {newest}, and a run makes the rest anew."
        elif version <= covered:
            mending = "Mending moves it aside: only the table at that version is lost; the newest version is complete."
        else:
            mending = None
        yield Damage(location.table, f"{_LOG}/{commits[version].name}", "is a commit that was cut short", mending)


def _is_commit(path: Path) -> bool:
    """Tell whether all lines of a commit are actions, and it has at least one."""
    try:
        lines = path.read_text().splitlines()
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except (OSError, ValueError):
        return False


def _sound_checkpoints(folder: Path) -> list[int]:
    return [_version(path) for path in (folder / _LOG).glob("*.checkpoint*.parquet") if _is_checkpoint(path)]


def _version(checkpoint: Path) -> int:
    return int(checkpoint.name[:20])


def _is_checkpoint(path: Path) -> bool:
    try:
        return pl.read_parquet(path).height > 0
    except UNREADABLE:
        return False


def _damaged_checkpoints(location: Location, folder: Path) -> Iterator[Damage]:
    """Yield the checkpoints that cannot be read.

    A checkpoint is a short cut: it may be removed where all commits before it are there.
    """
    log = folder / _LOG
    commits = {int(path.stem) for path in log.glob("*.json") if path.stem.isdigit()}
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))
    broken = [path for path in checkpoints if not _is_checkpoint(path)]
    sound = [_version(path) for path in checkpoints if path not in broken]
    first = max([version + 1 for version in sound], default=0)
    for path in broken:
        can_go = set(range(first, _version(path) + 1)) <= commits or any(each > _version(path) for each in sound)
        mending = "Mending moves it aside: the commits hold the same facts." if can_go else None
        yield Damage(location.table, f"{_LOG}/{path.name}", "is a checkpoint that cannot be read", mending)
        if can_go and (log / _LAST).exists():
            yield Damage(location.table, f"{_LOG}/{_LAST}", "points to it", mending)


def _damaged_files(location: Location, *, deep: bool) -> Iterator[Damage]:
    table = open_table(location)
    files = live_files(table)
    for key, several in files.items():
        for file in several:
            if not is_whole(location, file):
                yield _damaged_file(location, file, key)
    if not deep:
        return
    _, states = partition_states(location)
    columns = [name for name in pl.Schema(table.schema()) if name != PARTITION]
    for key, several in files.items():
        digest = states[key].hash if key in states else None
        whole = all(is_whole(location, file) for file in several)
        if digest is not None and whole and not _holds(location, several, digest, columns):
            for file in several:
                yield Damage(
                    location.table, file.path, "holds other rows than were written", _RUN, key or None, is_data=True
                )


def _damaged_file(location: Location, file: LiveFile, key: str) -> Damage:
    path = Path(location.folder or "", file.path)
    fault = "is cut short or was never written to the disk" if path.exists() else "is missing"
    return Damage(location.table, file.path, fault, _RUN, key or None, is_data=True)


def _holds(location: Location, files: Sequence[LiveFile], digest: str, columns: Sequence[str]) -> bool:
    try:
        uris = [file.uri(location) for file in files]
        rows = pl.scan_parquet(uris, hive_partitioning=False, glob=False, missing_columns="insert").collect()
        return has_content(rows.select(name for name in columns if name in rows.columns), digest)
    except UNREADABLE:
        return False


def damage_error_of(error: BaseException, tables: Sequence[Location], work: str) -> FeaturePlatformError | None:
    """Turn an error of Polars over some tables into one that names the damaged file; return None for any other error.

    A panic of Polars, which is no `Exception`, is turned into an error in any case.

    Args:
        work: the work that was being done, in the words of users.
    """
    if not isinstance(error, UNREADABLE):
        return None
    for location in tables:
        if location.folder is not None and (damaged := damages(location)):
            return TableDamaged(str(damaged[0]))
    if str(error).startswith("parquet:"):
        return TableDamaged(
            f"A file of {join_names(each.table for each in tables)} cannot be read ({reason_of(error)})."
        )
    return EngineStopped(work, reason_of(error)) if isinstance(error, pl.exceptions.PanicException) else None


@contextmanager
def convert_damage_errors(tables: Sequence[Location], work: str) -> Iterator[None]:
    """Turn errors of Polars over damaged files of some tables in this block into errors that name the file."""
    try:
        yield
    except UNREADABLE as error:
        damage_error = damage_error_of(error, tables, work)
        if damage_error is None:
            raise
        raise damage_error from error


def damage_error_of_run(
    error: BaseException | None, own: Location, opened: OpenedTables
) -> FeaturePlatformError | None:
    """Do what `damage_error_of` does for a run of one table, which has opened other tables of the same store."""
    if not isinstance(error, UNREADABLE):
        return None
    others = opened.names_below(own.uri.removesuffix(own.table))
    tables = [own, *(replace(own, table=name, uri=own.uri.removesuffix(own.table) + name) for name in others)]
    return damage_error_of(error, tables, own.table)
