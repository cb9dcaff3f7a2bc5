"""Which files of a folder or a pattern are data: those with the ending of their kind, and no leftovers."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from stat import S_ISREG

from feature_platform.ground.errors import SourceUnreadable

_HERE = f".{os.sep}"
_LEFTOVERS = (
    "~", ".bak", ".old", ".orig", ".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", ".lock",
    ".crc", ".md5", ".sha256",
)  # fmt: skip


def data_files(location: str, owner: str, endings: Sequence[str]) -> dict[str, os.stat_result]:
    """Return the files of a path, a folder or a glob pattern, in name order, with what the system knows of each.

    A path of one file is taken as it is. In a folder, and in those inside it, files count whose names end as their kind
    does. Of a pattern every file counts but the leftovers of editors and downloads, unless the pattern asks for them.
    What begins with a dot or an underscore (checksums, markers of other tools) never counts in a folder.

    Args:
        endings: in small letters; those of files may be in capitals.

    Raises:
        SourceUnreadable: there is no such file, or a folder inside may not be read.
    """
    path = Path(location)
    if path.is_dir():
        return _in_folder(path, owner, endings)
    names = [path] if path.is_file() else map(Path, sorted(glob.glob(location)))  # noqa: PTH207
    files = _regular_files(name for name in names if name == path or not is_leftover(name, location))
    if not files:
        raise SourceUnreadable(owner, location, "there is no such file", "Check the path; `*` matches several files.")
    return files


def _regular_files(paths: Iterable[Path]) -> dict[str, os.stat_result]:
    files: dict[str, os.stat_result] = {}
    for path in paths:
        with suppress(FileNotFoundError):  # gone since it was listed
            stat = path.stat()
            if S_ISREG(stat.st_mode):
                files[str(path)] = stat
    return files


def _in_folder(folder: Path, owner: str, endings: Sequence[str]) -> dict[str, os.stat_result]:
    try:
        files = {entry.path.removeprefix(_HERE): entry.stat() for entry in _entries(folder, tuple(endings))}
    except OSError as error:
        reason = f"{error.filename or folder} cannot be listed: {error.strerror}"
        raise SourceUnreadable(owner, str(folder), reason, "Check who may read the folder.") from error
    if not files:
        reason = f"no file in the folder has a name that ends in {', '.join(endings)}"
        remedy = f"Check the path; a pattern such as `{folder / '*'}` takes files of any name."
        raise SourceUnreadable(owner, str(folder), reason, remedy)
    return files


def _entries(folder: str | Path, endings: tuple[str, ...]) -> Iterator["os.DirEntry[str]"]:
    """Yield the files in a folder and those inside it, in the order of their names, from part to part."""
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path, endings)
        elif entry.name.lower().endswith(endings) and entry.is_file():
            yield entry


def is_leftover(file: PurePath, pattern: str) -> bool:
    """Tell whether a file that a pattern matches was left by another tool, and the pattern does not ask for such."""
    last = Path(pattern).name
    marker = file.name.startswith("_") and not last.startswith("_")
    return marker or any(file.name.lower().endswith(end) and not last.lower().endswith(end) for end in _LEFTOVERS)
