"""Memory: how much this process can still take, and how much of it the data of one piece of work may be.

It is looked up each time, because other processes take and free memory, too. Linux says it in files; elsewhere half
of the machine's memory is taken to be free.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SHARE = 4  # a piece of work holds its data about four times: as read, in order, what is computed, and the result
_NO_LIMIT = 2**60  # cgroup v1 writes a number above this where there is none


def working_memory(at_once: int = 1, *, root: Path = Path("/")) -> int:
    """Return how many bytes the data of one piece of work may take, of so many that are worked on at once.

    A quarter of what is free, divided by `at_once`; never less than 1.
    """
    return max(memory_limit(root=root) // (SHARE * at_once), 1)


def memory_limit(*, root: Path = Path("/")) -> int:
    """Return how many bytes this process can still take: the least that any limit leaves, never below 0.

    Looked at are the memory of the machine that is available, the limits of the control groups (v1 and v2) that the
    process is in, less what these use and cannot give back, and its own limits on address space and data (`ulimit`),
    less what it uses.

    Args:
        root: the folder with `proc` and `sys`.
    """
    left = [_available_memory(root), *_free_in_groups(root), *_free_in_process(root)]
    return max(min(left), 0)


def _available_memory(root: Path) -> int:
    numbers = _read_numbers(root / "proc/meminfo")
    if "MemAvailable" in numbers:
        return numbers["MemAvailable"] * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _free_in_groups(root: Path) -> Iterator[int]:
    for line in _read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _free_in_group(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _free_in_group(root / "sys/fs/cgroup/memory", path, *names)


def _free_in_group(mount: Path, path: str, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    """Yield what a group and those above it leave; in a container the mount itself is the group."""
    inside = PurePosixPath(path.lstrip("/"))
    for group in (inside, *inside.parents):
        folder = mount / group
        most, used = _read_text(folder / limit).strip(), _read_text(folder / usage).strip()
        if most.isdigit() and used.isdigit() and int(most) < _NO_LIMIT:
            yield int(most) - int(used) + _read_numbers(folder / "memory.stat").get(reclaimable, 0)


def _free_in_process(root: Path) -> Iterator[int]:
    limits, used = _read_text(root / "proc/self/limits"), _read_numbers(root / "proc/self/status")
    for limit, counted in (("Max address space", "VmSize"), ("Max data size", "VmData")):
        if found := re.search(rf"^{limit} +(\d+)", limits, re.MULTILINE):
            yield int(found[1]) - used.get(counted, 0) * 1024


def _read_numbers(file: Path) -> dict[str, int]:
    """Read the numbers of lines such as `VmSize:  120 kB` or `inactive_file 4096`."""
    return {name: int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", _read_text(file), re.MULTILINE)}


def _read_text(file: Path) -> str:
    """Read a file; empty where it is not there or not ours to read."""
    try:
        return file.read_text()
    except OSError:
        return ""
