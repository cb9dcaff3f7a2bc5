"""Runs that work at the same time in one process record their own reads only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import polars as pl

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform_tests.shop import at, customer, daily, spine

NAMES = ["one", "other"]


@dataclass
class Meeting:
    """Two runs wait for one another, the first time that each is at work."""

    barrier: Barrier = field(default_factory=lambda: Barrier(2))
    came: set[str] = field(default_factory=set)

    def wait(self, name: str) -> None:
        if name not in self.came:
            self.came.add(name)
            self.barrier.wait(timeout=60)


def declared_view(name: str, meeting: Meeting) -> FeatureView:
    def meet(rows: pl.LazyFrame) -> pl.LazyFrame:
        meeting.wait(name)
        return rows

    read = fp.Source(f"orders_{name}", fp.sources.Frame(daily(3)), event_time="at")
    return fp.feature_view(
        entity=customer, source=read, name=name, aggregations=[fp.Sum("amount", windows=["2d"])], accuracy="exact"
    )(meet)


def opened_by(store: fp.OfflineStore, asset: str) -> set[str]:
    runs = store.read("runs").filter(pl.col("asset") == asset).collect()
    return {each["table"].split("/offline/")[1].rstrip("/") for opened in runs["inputs_opened"] for each in opened}


def run_at_once(work: Callable[[str], object]) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, NAMES))


def test_two_runs_in_one_process_record_their_own_reads(store: fp.OfflineStore) -> None:
    meeting = Meeting()
    views = {name: declared_view(name, meeting) for name in NAMES}
    run_at_once(lambda name: fp.materialize(views[name], store))
    assert meeting.came == set(NAMES)
    for name in NAMES:
        assert opened_by(store, f"views/{name}") == {f"sources/orders_{name}"}


def test_two_training_sets_that_are_joined_at_once_record_their_own_reads(store: fp.OfflineStore) -> None:
    meeting = Meeting(came=set(NAMES))
    views = {name: declared_view(name, meeting) for name in NAMES}
    fp.materialize(views["one"], store)
    fp.materialize(views["other"], store)
    meeting.came.clear()

    def build(name: str) -> object:
        service = fp.FeatureService(name, [views[name]])
        asked = spine(("ann", at(2)), ("bob", at(3)))
        return fp.build_training_set(fp.TrainingSet(name, service=service, spine=asked), store, stale="ignore")

    run_at_once(build)
    assert meeting.came == set(NAMES)
    for name in NAMES:
        assert opened_by(store, f"training_sets/{name}") == {f"sources/orders_{name}"}
