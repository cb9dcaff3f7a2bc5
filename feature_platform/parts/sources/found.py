"""Which files of a folder or a pattern are data: those with the ending of their kind, and no leftovers."""

import glob
from collections.abc import Sequence
from pathlib import Path

from feature_platform.ground.errors import SourceUnreadable

_LEFTOVERS = (
    "~", ".bak", ".old", ".orig", ".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", ".lock",
    ".crc", ".md5", ".sha256",
)  # fmt: skip


def data_files(location: str, owner: str, endings: Sequence[str]) -> list[Path]:
    """Return the files of a path, a folder or a glob pattern, in name order.

    A path of one file is taken as it is. In a folder, and in those inside it, files count whose names end as their kind
    does. Of a pattern every file counts but the leftovers of editors and downloads, unless the pattern asks for them.
    What begins with a dot or an underscore (checksums, markers of other tools) never counts in a folder.

    Args:
        endings: in small letters; those of files may be in capitals.

    Raises:
        SourceUnreadable: there is no such file.
    """
    path = Path(location)
    if path.is_file():
        return [path]
    if path.is_dir():
        return _in_folder(path, owner, endings)
    files = [Path(name) for name in sorted(glob.glob(location)) if not _is_leftover(Path(name), location)]  # noqa: PTH207
    files = [file for file in files if file.is_file()]
    if not files:
        raise SourceUnreadable(owner, location, "there is no such file", "Check the path; `*` matches several files.")
    return files


def _in_folder(folder: Path, owner: str, endings: Sequence[str]) -> list[Path]:
    inside = sorted(file for file in folder.rglob("*.*") if file.name.lower().endswith(tuple(endings)))
    files = [file for file in inside if not _is_hidden(file.relative_to(folder)) and file.is_file()]
    if not files:
        reason = f"no file in the folder has a name that ends in {', '.join(endings)}"
        remedy = f"Check the path; a pattern such as `{folder / '*'}` takes files of any name."
        raise SourceUnreadable(owner, str(folder), reason, remedy)
    return files


def _is_leftover(file: Path, pattern: str) -> bool:
    """Tell whether a file that a pattern matches was left by another tool, and the pattern does not ask for such."""
    last = Path(pattern).name
    marker = file.name.startswith("_") and not last.startswith("_")
    return marker or any(file.name.lower().endswith(end) and not last.lower().endswith(end) for end in _LEFTOVERS)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
