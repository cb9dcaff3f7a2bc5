"""A process that pushes orders, and is killed at a moment of it, or races another one.

Usage: `python -m feature_platform_tests.serving.pushing_writer TASK ROOT`.
"""

import os
import signal
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.online import Lmdb
from feature_platform.online.base import Merge
from feature_platform.online.spool import Spool
from feature_platform.online.spool_records import Pushed
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving.applying import Target
from feature_platform.serving.pushing import push
from feature_platform_tests.shop import at, customer, daily, last_order, orders, same, source

SOURCE = source(daily(5))
PUSHED = orders(("ann", at(5, 1), 99.0), ("eve", at(5, 1), 1.0), ("eve", at(5, 1), 1.0))
NOW = at(5, 2)
RACE = 6


def views() -> list[FeatureView]:
    exact = fp.feature_view(
        entity=customer,
        source=SOURCE,
        aggregations=[fp.Sum("amount", windows=["2d"]), fp.Count(windows=["2d"])],
        accuracy="exact",
        name="exact",
    )(same)
    return [last_order(SOURCE), exact]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class AfterTheSpool(Spool):
    def append(self, source: str, rows: pl.DataFrame, arrived_at: datetime, *, online: bool = True) -> Pushed:
        super().append(source, rows, arrived_at, online=online)
        die()
        raise AssertionError


class BeforeItIsMarked(Spool):
    def mark_applied(self, sequences: Iterable[int]) -> None:
        die()


class BeforeItLeaves(Spool):
    def remove(self, sequences: Iterable[int]) -> int:
        die()
        return 0


class AfterOneView(Lmdb):
    def write(
        self,
        view: str,
        entries: Mapping[bytes, bytes],
        merge: Merge,
        tag: bytes,
        *,
        generation: int | None = None,
    ) -> None:
        super().write(view, entries, merge, tag, generation=generation)
        die()


SPOOLS = {each.__name__: each for each in (AfterTheSpool, BeforeItIsMarked, BeforeItLeaves)}
KILLS = [*SPOOLS, AfterOneView.__name__]


def target(root: Path, task: str = "") -> Target:
    spool = SPOOLS.get(task, Spool)(root / "spool", map_size=2**24)
    online = (AfterOneView if task == AfterOneView.__name__ else Lmdb)(root / "online", map_size=2**24)
    return Target(views(), spool, fp.OfflineStore(root), online)


def main(task: str, root: Path) -> None:
    to = target(root, task)
    if task != "race":
        push(SOURCE, PUSHED, to, now=NOW)
        flush(to.spool, to.store)
        print("alive", flush=True)
        return
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(RACE):
        push(SOURCE, orders(("eve", at(5, 1), float(number))), to, now=NOW)
        if number % 3 == 2:
            flush(to.spool, to.store)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
