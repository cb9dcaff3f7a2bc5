"""A writer in a process of its own, for tests that kill it, starve it or race it.

Usage: `python -m feature_platform_tests.offline.writer TASK ROOT TAG`. Prints a line when ready, and one for
each thing that came of it.
"""

import resource
import signal
import sys

import polars as pl

from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline import Commit, CommitStamp, OfflineStore

PARTS = tuple(f"p{number}" for number in range(5))
ROWS = 200


def tagged(tag: int, keys: tuple[str, ...] = PARTS) -> pl.DataFrame:
    """Rows of one tag: a table holds a whole version when all its rows have one tag."""
    return pl.DataFrame({"key": [key for key in keys for _ in range(ROWS)]}).with_columns(tag=pl.lit(tag))


def write(store: OfflineStore, tag: int, keys: tuple[str, ...] = PARTS) -> Commit:
    stamp = CommitStamp(f"run-{tag}", "views/tags", "1")
    return store.replace("views/tags", tagged(tag, keys), partitions=keys, partition_of="key", stamp=stamp)


def forever(store: OfflineStore, tag: int) -> None:
    print("ready", flush=True)
    while True:
        write(store, tag)
        print(tag, flush=True)
        tag += 1


def maintaining(store: OfflineStore, tag: int) -> None:
    """A log that grows and is maintained all the time."""
    print("ready", flush=True)
    while True:
        store.append("log", pl.DataFrame({"tag": [tag]}), stamp=CommitStamp(f"run-{tag}", "log", "1"))
        print(tag, flush=True)
        tag += 1
        if tag % 5 == 0:
            store.maintain("log")


def starved(store: OfflineStore, tag: int) -> None:
    """A disk that takes no file of more than a thousand bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    report(store, tag, PARTS)


def racing(store: OfflineStore, tag: int) -> None:
    wait()
    for number in range(4):
        report(store, tag + number, PARTS)


def apart(store: OfflineStore, tag: int) -> None:
    wait()
    for number in range(4):
        report(store, tag + number, (f"own{tag}",))


def whole(store: OfflineStore, tag: int) -> None:
    wait()
    for number in range(4):
        frame = tagged(tag + number)
        try:
            store.replace("views/tags", frame, stamp=CommitStamp(f"run-{tag}", "views/tags", "1"))
            print("ok", flush=True)
        except FeaturePlatformError as error:
            print(type(error).__name__, flush=True)


def wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def report(store: OfflineStore, tag: int, keys: tuple[str, ...]) -> None:
    try:
        write(store, tag, keys)
        print("ok", flush=True)
    except FeaturePlatformError as error:
        print(type(error).__name__, str(error), flush=True)


if __name__ == "__main__":
    tasks = {
        "forever": forever,
        "maintaining": maintaining,
        "starved": starved,
        "racing": racing,
        "apart": apart,
        "whole": whole,
    }
    tasks[sys.argv[1]](OfflineStore(sys.argv[2]), int(sys.argv[3]))
