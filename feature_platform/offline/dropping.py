"""Dropping: removing a table with all its versions."""

import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from deltalake.exceptions import DeltaError

from feature_platform.ground.errors import WriteFailed
from feature_platform.offline.commits import reason_of
from feature_platform.offline.files import stored_files
from feature_platform.offline.names import Location

_DROPPED = ".dropped"  # beside the tables, on the same disk, where no name of a table can be


def drop_table(location: Location, root: str) -> None:
    """Remove a table with all its versions; see `OfflineStore.drop`."""
    try:
        if location.folder is None:
            stored_files(location).delete_dir("")
        elif location.folder.exists():
            _move_away(location.folder, Path(root.removeprefix("file://")) / _DROPPED)
    except (OSError, DeltaError) as error:
        raise WriteFailed(location.table, location.uri, reason_of(error)) from error


def _move_away(folder: Path, aside: Path) -> None:
    """Move a folder away in one step, and then remove it, with folders that were left there before."""
    aside.mkdir(exist_ok=True)
    folder.rename(aside / uuid4().hex)
    for dropped in list(aside.iterdir()):
        with suppress(FileNotFoundError):  # another drop removes it
            shutil.rmtree(dropped)
    with suppress(OSError):  # another drop is at work
        aside.rmdir()
