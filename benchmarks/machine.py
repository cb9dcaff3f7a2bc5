"""What the figures were measured on."""

import os
from pathlib import Path


def machine() -> str:
    """Processor, cores and memory in a few words."""
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    total = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) * 1024
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({models[0] if models else os.uname().machine}), {total / 2**30:.0f} GB"
