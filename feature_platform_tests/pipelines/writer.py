"""A process that materializes, for tests that kill it, starve it or race it.

Usage: `python -m feature_platform_tests.pipelines.writer TASK ROOT TAG`. Prints a line when ready, and one for each
thing that came of it.
"""

import resource
import signal
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

import polars as pl

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError, SourceUnreadable
from feature_platform_tests.shop import at, daily, source, spending

DAYS = 4


def view_of(tag: int) -> FeatureView:
    """What customers spend when every order is of one amount: a table is whole when its amounts are one."""
    return spending(source(daily(DAYS).with_columns(amount=pl.lit(float(tag)))), windows=["1d"])


def write(store: fp.OfflineStore, tag: int) -> None:
    fp.materialize(view_of(tag), store, at(0), at(DAYS))


def forever(store: fp.OfflineStore, tag: int) -> None:
    print("ready", flush=True)
    while True:
        write(store, tag)
        print(tag, flush=True)
        tag += 1


def starved(store: fp.OfflineStore, tag: int) -> None:
    """A disk that takes no file of more than a thousand bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    report(store, tag)


def racing(store: fp.OfflineStore, tag: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(4):
        report(store, tag + number)


def report(store: fp.OfflineStore, tag: int) -> None:
    try:
        write(store, tag)
        print("ok", flush=True)
    except FeaturePlatformError as error:
        print(type(error).__name__, str(error), flush=True)


def follow(store: fp.OfflineStore, files: Path) -> None:
    """Make the days anew that are not up to date with files of orders, and no other."""
    source = fp.Source("orders", fp.sources.Parquet(files, gone="taken"), event_time="at")
    grid = fp.Partitions(start=at(0), end=at(DAYS))
    for stale in fp.stale_assets(fp.Project("shop", grid, (source,)), store):
        for key in stale.due_partitions:
            fp.materialize(source, store, *grid.bounds(key), partitions=grid, gone="taken")


def following(store: fp.OfflineStore, tag: int) -> None:
    """Follow files beside the store; a file that goes while it is read stops one run."""
    for number in count():
        with suppress(SourceUnreadable):
            follow(store, Path(store.root).parent / "files")
        if number == 0:
            print("ready", flush=True)


if __name__ == "__main__":
    tasks = {"forever": forever, "starved": starved, "racing": racing, "following": following}
    tasks[sys.argv[1]](fp.OfflineStore(sys.argv[2]), int(sys.argv[3]))
