"""Memory limits, read from folders that look like /proc and /sys."""

from pathlib import Path

import pytest

from feature_platform.ground.memory import memory_limit, working_memory

GB = 2**30
V2 = {
    "proc/self/cgroup": "0::/job/step\n",
    "sys/fs/cgroup/job/step/memory.max": "max\n",
    "sys/fs/cgroup/job/step/memory.current": f"{GB}\n",
    "sys/fs/cgroup/job/memory.max": f"{4 * GB}\n",
    "sys/fs/cgroup/job/memory.current": f"{3 * GB}\n",
    "sys/fs/cgroup/job/memory.stat": f"anon 5\ninactive_file {GB}\n",
}
V1 = {
    "proc/self/cgroup": "5:cpu,cpuacct:/a\n3:memory:/docker/123\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GB // 2}\n",
}
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max data size             {data}            unlimited            bytes
Max address space         {space}            unlimited            bytes
"""
STATUS = f"Name:\tpython\nVmSize:\t{GB // 1024} kB\nVmData:\t{GB // 2048} kB\n"


def machine(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: 99 kB\nMemAvailable: {8 * GB // 1024} kB\n", **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, 8 * GB),
        (V2, 2 * GB),
        (V2 | {"sys/fs/cgroup/job/memory.max": "max\n"}, 8 * GB),
        (V2 | {"sys/fs/cgroup/job/memory.max": "0\n"}, 0),
        (V1, 3 * GB // 2),
        (V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 8 * GB),
        ({"proc/self/limits": LIMITS.format(data="unlimited", space="unlimited"), "proc/self/status": STATUS}, 8 * GB),
        ({"proc/self/limits": LIMITS.format(data="unlimited", space=4 * GB), "proc/self/status": STATUS}, 3 * GB),
        ({"proc/self/limits": LIMITS.format(data=GB, space=4 * GB), "proc/self/status": STATUS}, GB // 2),
    ],
    ids=["machine", "v2", "v2 no limit", "v2 full", "v1", "v1 no limit", "unlimited", "address space", "data"],
)
def test_the_least_that_any_limit_leaves_counts(tmp_path: Path, files: dict[str, str], limit: int) -> None:
    assert memory_limit(root=machine(tmp_path, files)) == limit


def test_a_piece_of_work_holds_a_quarter_shared_by_those_at_once(tmp_path: Path) -> None:
    root = machine(tmp_path, {})
    assert working_memory(root=root) == 2 * GB
    assert working_memory(4, root=root) == GB // 2
    assert working_memory(root=machine(tmp_path, V2 | {"sys/fs/cgroup/job/memory.max": "0\n"})) == 1


def test_a_machine_without_such_files_has_some_memory(tmp_path: Path) -> None:
    assert memory_limit(root=tmp_path) > 0


def test_this_machine_has_some_memory() -> None:
    assert 2**20 < memory_limit() < 2**50
