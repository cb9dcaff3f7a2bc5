"""A hard limit on the memory of one process: a memory cgroup where one can be made, else RLIMIT_DATA.

The process enters the limit before it does anything else, and leaves it when the work is done, so that
the digest of a large answer is not held to it.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


@contextmanager
def offered(size: int) -> Iterator[str]:
    """A limit that a child process can enter, as text: `cgroup:<folder>` or `data:<bytes>`."""
    group = _made_group(size)
    try:
        yield f"data:{size}" if group is None else f"cgroup:{group}"
    finally:
        if group is not None:
            group.rmdir()


@contextmanager
def entered(limit: str | None) -> Iterator[None]:
    """Hold this process to a limit that was offered to it."""
    kind, _, where = (limit or "").partition(":")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if kind == "cgroup":
        _move(Path(where))
    elif kind == "data":
        resource.setrlimit(resource.RLIMIT_DATA, (int(where), before[1]))
    try:
        yield
    finally:
        if kind == "cgroup":
            _move(Path(where).parent)
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _move(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _made_group(size: int) -> Path | None:
    """A group below our own that counts memory, of version 1 or 2; None where we may not make one."""
    for parent in _own_groups():
        group = parent / f"benchmark-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if _limited(group, size):
            return group
        group.rmdir()
    return None


def _own_groups() -> list[Path]:
    own = Path("/proc/self/cgroup")
    lines = [line.split(":", 2) for line in own.read_text().splitlines()] if own.exists() else []
    version_1 = [_CGROUPS / "memory" / path.lstrip("/") for _, kinds, path in lines if "memory" in kinds.split(",")]
    return [*version_1, *(_CGROUPS / path.lstrip("/") for _, kinds, path in lines if not kinds)]


def _limited(group: Path, size: int) -> bool:
    """Whether the group took the limit; memory that is swapped out counts, too."""
    for memory, swap, rest in (
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", size),
        ("memory.max", "memory.swap.max", 0),
    ):
        if (group / memory).exists():
            (group / memory).write_text(str(size))
            if (group / swap).exists():
                (group / swap).write_text(str(rest))
            return True
    return False
