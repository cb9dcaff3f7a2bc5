"""A process that changes access keys, for tests that kill it, starve it or race it.

Usage: `python -m feature_platform_tests.access.writer TASK FOLDER`; prints the id of each key that it made.
"""

import os
import resource
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from feature_platform.access import create_key
from feature_platform.ground.errors import FeaturePlatformError

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
KEYS = 25


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def make(folder: Path, keys: int = 1) -> None:
    for number in range(keys):
        print(create_key(folder, f"client {number}", ["push"], NOW)[0].id, flush=True)


def racing(folder: Path) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    make(folder, KEYS)


def killed_before_rename(folder: Path) -> None:
    setattr(Path, "replace", die)  # noqa: B010 - a method
    make(folder)


def killed_at_fsync(folder: Path) -> None:
    setattr(os, "fsync", die)  # noqa: B010 - another signature
    make(folder)


def killed_after_rename(folder: Path) -> None:
    rename = Path.replace

    def rename_and_die(self: Path, target: Path) -> None:
        rename(self, target)
        die()

    setattr(Path, "replace", rename_and_die)  # noqa: B010 - a method
    make(folder)


def starved(folder: Path) -> None:
    """A disk that takes no file of more than 100 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        make(folder)
    except FeaturePlatformError as error:
        print(type(error).__name__, error)


if __name__ == "__main__":
    task = {
        each.__name__: each for each in (racing, killed_before_rename, killed_at_fsync, killed_after_rename, starved)
    }
    task[sys.argv[1]](Path(sys.argv[2]))
