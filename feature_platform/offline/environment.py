"""The environment of a run and its cost: interpreter, packages, code, time and memory.

The environment is looked at once for each process and project folder; a folder without git or lock file gives nulls.
"""

import hashlib
import importlib.metadata
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

_LOCKS = ("requirements.lock", "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "requirements.txt")
_GIT_SECONDS = 5.0


@dataclass(frozen=True)
class Environment:
    """The software that a run used.

    `lock_hash` is BLAKE2b of the nearest lock file; `git_dirty` tells whether tracked files differ from the commit.
    """

    python: str
    platform_version: str
    lock_hash: str | None
    git_commit: str | None
    git_dirty: bool | None


@dataclass
class Measurement:
    """The cost of a block, complete when the block ends. `peak_memory_mb` is the highest resident memory (2**20 bytes).

    `peak_is_of_block` is false where the kernel cannot reset the high-water mark: then the peak is that of the process
    since it started.
    """

    started_at: datetime
    duration_s: float = 0.0
    peak_memory_mb: float = 0.0
    peak_is_of_block: bool = False


def describe_environment(project: Path | None = None) -> Environment:
    """Return the environment of this process, with the code in a folder; by default the working directory.

    >>> describe_environment().python.startswith("3.")
    True
    """
    return _environment((project or Path.cwd()).resolve())


@contextmanager
def measure_cost() -> Iterator[Measurement]:
    """Measure the time and peak memory of a block.

    Threads and Polars count, too; so does other work that the process does at the same time.

    >>> with measure_cost() as cost:
    ...     pass
    >>> cost.duration_s >= 0 and cost.peak_memory_mb > 1
    True
    """
    cost = Measurement(datetime.now(UTC), peak_is_of_block=_reset_peak())
    start = time.perf_counter()
    try:
        yield cost
    finally:
        cost.duration_s = time.perf_counter() - start
        cost.peak_memory_mb = _peak_mb() if cost.peak_is_of_block else _process_peak_mb()


@cache
def _environment(project: Path) -> Environment:
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    changes = None if commit is None else _git(project, "status", "--porcelain", "--untracked-files=no")
    return Environment(
        python=platform.python_version(),
        platform_version=_version(),
        lock_hash=_lock_hash(project),
        git_commit=commit,
        git_dirty=None if changes is None else bool(changes),
    )


def _version() -> str:
    try:
        return importlib.metadata.version("feature-platform")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _lock_hash(project: Path) -> str | None:
    for folder in (project, *project.parents):
        for name in _LOCKS:
            if (folder / name).is_file():
                return hashlib.blake2b((folder / name).read_bytes(), digest_size=16).hexdigest()
        if (folder / ".git").exists():
            break
    return None


def _git(project: Path, *words: str) -> str | None:
    command = ["git", "-C", str(project), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return _process_peak_mb()


def _process_peak_mb() -> float:
    unit = 2**20 if platform.system() == "Darwin" else 2**10  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
