"""Processes of a benchmark: each figure is measured in one of its own, so that none pays for another."""

import subprocess
import sys


def figures_of_child(module: str, *words: str) -> tuple[float, ...]:
    """Run `python -m benchmarks.<module> --child <words>` and return the numbers that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", "--child", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(map(float, printed.split()))
