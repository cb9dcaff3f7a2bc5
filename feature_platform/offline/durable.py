"""Durability: writing the newest commits of a local table to the disk, before their source is forgotten.

delta-rs never calls fsync. Data files are synced first, then the log that names them, then the folders.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from feature_platform.ground.errors import WriteFailed
from feature_platform.offline.commits import reason_of
from feature_platform.offline.names import Location

COMMITS = 20  # also those of others: an older commit that is damaged takes the newer ones with it


def settle(location: Location) -> None:
    """Wait until the newest commits are on the disk; see `OfflineStore.settle`. `WriteFailed` when the disk refuses."""
    folder = location.folder
    if folder is None:
        return
    commits = sorted((folder / "_delta_log").glob("*.json"))[-COMMITS:]
    try:
        for commit in commits:
            for file in _files_named_by(commit):
                _sync(folder / file)
        for path in (*commits, folder / "_delta_log", folder, *folder.parents[:3]):
            _sync(path)
    except OSError as error:
        raise WriteFailed(location.table, location.uri, reason_of(error)) from error


def _files_named_by(commit: Path) -> Iterator[str]:
    """Yield the data files that a commit names."""
    for line in commit.read_text().splitlines():
        action = json.loads(line)
        if "add" in action:
            yield unquote(action["add"]["path"])


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk; skip one that maintenance has removed meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
