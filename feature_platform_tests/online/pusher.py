"""A process that pushes and flushes, for tests that kill it, starve it or race it.

Usage: `python -m feature_platform_tests.online.pusher TASK ROOT TAG`. Prints a line when ready, and one for each thing
that came of it.
"""

import os
import resource
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

import feature_platform as fp
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.online.spool import Spool
from feature_platform.online.spool_records import Pushed
from feature_platform.pipelines.pushes.flushing import flush

NOW = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 50


def opened(root: Path) -> Spool:
    return Spool(root / "spool", map_size=64 * 2**20)


def tagged(tag: int) -> pl.DataFrame:
    """Rows of one tag: a push is whole when it has them all."""
    return pl.DataFrame({"tag": [tag] * ROWS, "text": [f"{tag}" * 20] * ROWS})


def push(spool: Spool, tag: int) -> Pushed:
    return spool.append(f"s{tag % 2}", tagged(tag), NOW)


def forever(root: Path, tag: int) -> None:
    spool = opened(root)
    print("ready", flush=True)
    while True:
        print(push(spool, tag).sequence, tag, flush=True)
        tag += 1


def flushing(root: Path, tag: int) -> None:
    """Push, go online, flush, as a server does; killed at any moment."""
    spool, store = opened(root), fp.OfflineStore(root)
    print("ready", flush=True)
    while True:
        done = push(spool, tag)
        print(done.sequence, tag, flush=True)
        spool.mark_applied([done.sequence])
        if tag % 3 == 0:
            flush(spool, store)
        tag += 1


class Dying(Spool):
    """A spool whose process is killed where it would forget what the log has."""

    def remove(self, sequences: Iterable[int]) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().remove(sequences)


def dying(root: Path, tag: int) -> None:
    spool = Dying(root / "spool", map_size=64 * 2**20)
    spool.mark_applied([push(spool, tag).sequence, push(spool, tag + 1).sequence])
    print("ready", flush=True)
    flush(spool, fp.OfflineStore(root))
    print("alive", flush=True)


def racing(root: Path, tag: int) -> None:
    spool = opened(root)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(25):
        print(push(spool, tag + number).sequence, tag + number, flush=True)


def starved(root: Path, tag: int) -> None:
    """A disk that takes no file of more than a hundred kilobytes."""
    spool = opened(root)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        while True:
            print(push(spool, tag).sequence, tag, flush=True)
            tag += 1
    except FeaturePlatformError as error:
        print(type(error).__name__, str(error), flush=True)


if __name__ == "__main__":
    tasks = {"forever": forever, "flushing": flushing, "dying": dying, "racing": racing, "starved": starved}
    tasks[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
