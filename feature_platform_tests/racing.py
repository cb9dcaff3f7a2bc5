"""Processes that race in tests: each says that it is ready, and works once it is told to go."""

import subprocess
from collections.abc import Iterable


def await_ready(processes: Iterable[subprocess.Popen[str]]) -> None:
    """Wait until each process has said that it is ready."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"


def start_together(processes: Iterable[subprocess.Popen[str]]) -> None:
    """Tell processes that are ready to go, one right after the other."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
