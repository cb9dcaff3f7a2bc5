"""The law of serving: what is online at a moment is what the offline store says of it, value for value.

Drawn are the view, its rows, what becomes of them (late rows, corrections, deletions, a rollback), when they are
published, and when they are asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.features.service import selections_of
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.offline import CommitStamp
from feature_platform.online import Lmdb
from feature_platform.online.read_ahead import ReadAhead
from feature_platform.serving import ServedService, online_features
from feature_platform.serving.publication import publish
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import FIRST, at, same

pytestmark = pytest.mark.usefixtures("unrecorded")

UTC = pl.Datetime("us", "UTC")
DAY = timedelta(days=1)
LAST = 5  # days that hold rows
EXAMPLES = tries(4, fewest=1)  # each is a whole story, of a second or two
SCHEMA: dict[str, Any] = {"customer": pl.String, "city": pl.Int32, "at": UTC, "known": UTC, "amount": pl.Float64}
ENTITIES = [
    fp.Entity("customer", join_keys=["customer"]),
    fp.Entity("seat", join_keys=["customer", "city"]),
    None,
]
ASKED = pl.DataFrame(
    [(name, city) for name in ("ann", "bob", "f3", "nobody", None) for city in (1, 2, None)],
    schema={"customer": pl.String, "city": pl.Int32},
    orient="row",
)
Event = tuple[str | None, int | None, datetime | None, datetime | None, float | None]


def moments(first: int, last: int) -> st.SearchStrategy[datetime]:
    """Moments on quarters of a day, where windows, instants and times to live have their edges, or just beside."""
    quarters = st.integers(first * 4, last * 4 - 1)
    beside = st.sampled_from([0, 0, 0, 1, 17_000_000])
    return st.builds(lambda quarter, us: FIRST + quarter * DAY / 4 + timedelta(microseconds=us), quarters, beside)


LAGS = st.sampled_from([timedelta(0), timedelta(hours=6), 2 * DAY, 9 * DAY, None])
EVENTS = st.builds(
    lambda customer, city, moment, lag, amount: (customer, city, moment, None if lag is None else moment + lag, amount),
    st.sampled_from(["ann", "ann", "ann", "bob", "bob", None]),
    st.sampled_from([1, 1, 1, 2, None]),
    moments(1, LAST),
    LAGS,
    st.sampled_from([None, 0.0, 0.1, 0.1, 2.5, -3.0, 1e16, float("nan"), float("inf")]),
)
FILLERS: list[Event] = [(f"f{number}", 1, at(0, 1), at(0, 1), float(number)) for number in range(12)]


# ---------------------------------------------------------------- views


def named(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with their amount as text, which has categories."""
    return rows.with_columns(name=pl.col("amount").cast(pl.String))


@dataclass(frozen=True)
class Shape:
    """How a view is declared over the orders; `marked` is a feature that no row of it lacks."""

    entity: fp.Entity | None
    known_at: str | None
    ttl: str | None
    delay: str | None
    every: str
    shaped: bool = False
    tz: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return () if self.entity is None else self.entity.join_keys

    def source(self, frame: pl.DataFrame) -> fp.Source:
        rows = frame if self.known_at else frame.drop("known")
        return fp.Source("orders", fp.sources.Frame(rows), event_time="at", known_at=self.known_at)

    def row(self, frame: pl.DataFrame) -> FeatureView:
        clocks = ["at", *([self.known_at] if self.known_at else [])]
        return self.over(self.source(frame), name="row", clocks=clocks, ttl=self.ttl)

    def facts(self, frame: pl.DataFrame) -> FeatureView:
        read = fp.Source("orders", fp.sources.Frame(frame.drop("known")), event_time=None)
        return self.over(read, name="facts", clocks=[], ttl=None)

    def snapshot(self, frame: pl.DataFrame) -> FeatureView:
        return self.windows(self.source(frame), name="snapshot", ttl=self.ttl)

    def exact(self, frame: pl.DataFrame) -> FeatureView:
        return self.windows(self.source(frame), name="exact", accuracy="exact", ttl=self.ttl)

    def row_over_row(self, frame: pl.DataFrame) -> FeatureView:
        clocks = ["at", *([self.known_at] if self.known_at else [])]
        return self.over(replace(self, ttl="6h").row(frame), name="again", clocks=clocks, ttl=self.ttl)

    def row_over_snapshot(self, frame: pl.DataFrame) -> FeatureView:
        read = replace(self, ttl="6h").snapshot(frame)
        declare = fp.feature_view(entity=self.entity, source=read, name="echo", ttl=self.ttl)
        return declare(lambda rows: rows.with_columns(marked=pl.lit(1)))

    def snapshot_over_row(self, frame: pl.DataFrame) -> FeatureView:
        return self.windows(replace(self, ttl="6h").row(frame), name="windows", ttl=self.ttl)

    def exact_over_row(self, frame: pl.DataFrame) -> FeatureView:
        return self.windows(self.row(frame), name="moments", accuracy="exact")

    def shaped_snapshot(self, frame: pl.DataFrame) -> FeatureView:
        return replace(self, shaped=True).snapshot(frame)

    def shaped_exact(self, frame: pl.DataFrame) -> FeatureView:
        return replace(self, shaped=True).exact(frame)

    def over(self, read: fp.Source | FeatureView, *, name: str, clocks: Sequence[str], ttl: str | None) -> FeatureView:
        declare = fp.feature_view(entity=self.entity, source=read, name=name, ttl=ttl)
        keys = self.keys

        def told(rows: pl.LazyFrame) -> pl.LazyFrame:
            amount = pl.col("amount")
            return rows.select(
                *keys,
                *clocks,
                "amount",
                marked=pl.lit(1, pl.Int8),
                small=amount.cast(pl.Float32),
                text=pl.concat_str(pl.lit('"\n,\\é '), amount.cast(pl.String)),
                many=pl.concat_list(amount, pl.lit(None, pl.Float64)),
                day=pl.col("at").dt.date(),
                moment=pl.col("at"),
            )

        def facts(rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.select(*keys, "amount", marked=pl.lit(1, pl.Int8), day=pl.col("at").dt.date())

        return declare(told if clocks else facts)

    def windows(self, read: fp.Source | FeatureView, **words: Any) -> FeatureView:
        return fp.feature_view(
            entity=self.entity,
            source=read,
            aggregations=[
                fp.Count(windows=["6h", "3d"]),
                fp.Sum("amount", windows=["6h"]),
                fp.Mean("amount", windows=["3d"]),
                fp.Last("amount", windows=["3d"]),
                fp.Quantile("amount", q=0.5, windows=["3d"]),
                fp.LastN("amount", 3, windows=["6h", "3d"]),
                fp.FirstN("amount", 2, distinct=True, windows=["3d"]),
                fp.TopK("amount", 2, windows=["3d"]),
                fp.Histogram("amount", 2, windows=["3d"]),
                fp.Mode("amount", windows=["3d"]),
                fp.Skew("amount", windows=["3d"]),
                fp.Any(pl.col("amount") > 1, name="large", windows=["6h"]),
                *(SHAPED if self.shaped else []),
            ],
            derive=DERIVED if self.shaped else None,
            cadence=fp.Cadence(every=self.every, delay=self.delay, lateness="9d", tz=self.tz),
            **words,
        )(named if self.shaped else same)


SHAPED = [
    fp.Sum("amount", windows=["6h"], lag="6h"),
    fp.Count(windows=["day_to_date", "last_week"], tz="Asia/Kathmandu"),
    fp.Max("amount", windows=["lifetime"]),
    fp.Count(windows=["1d"], where=pl.col("amount") > 1, name="big"),
    fp.Rate(pl.col("amount") > 1, name="large", windows=["1d"], where=pl.col("at").dt.hour() < 12),
    fp.Sum("amount", windows=["3d"], by="name", categories=["0.1", "2.5"]),
    fp.Recency("amount", windows=["3d"]),
    fp.Count(windows=["3d"], by="customer", categories=["ann"]),
    fp.CountDistinct("customer", windows=["1d"], where=pl.col("city") == 1),
]

DERIVED = {
    "trend": fp.ratio("amount_sum_6h", "amount_sum_6h_lag_6h"),
    "third": pl.col("amount_mean_3d") / 3 + pl.col("count_3d"),
    "filled": pl.col("amount_last_3d").fill_null(-1.0),
}
KINDS: dict[str, Callable[[Shape, pl.DataFrame], FeatureView]] = {
    "row": Shape.row,
    "facts": Shape.facts,
    "snapshot": Shape.snapshot,
    "exact": Shape.exact,
    "row over row": Shape.row_over_row,
    "row over snapshot": Shape.row_over_snapshot,
    "snapshot over row": Shape.snapshot_over_row,
    "exact over row": Shape.exact_over_row,
    "snapshot of all shapes": Shape.shaped_snapshot,
    "exact of all shapes": Shape.shaped_exact,
}
SHAPES = st.builds(
    Shape,
    st.sampled_from(ENTITIES),
    st.sampled_from([None, "known"]),
    st.sampled_from([None, "6h", "1d", "3d"]),
    st.sampled_from([None, "1h", "30h"]),
    st.sampled_from(["6h", "1d"]),
)


# ---------------------------------------------------------------- both sides


def compare(view: FeatureView, store: fp.OfflineStore, online: Lmdb, moments: Sequence[datetime]) -> None:
    """Values, types, statuses and event times at some moments, of the version that is published."""
    served = online.table(view.name)
    assert served is not None
    asked = ASKED.select(view.join_keys) if view.join_keys else pl.DataFrame({"row": [0]})
    asked = asked.unique(maintain_order=True)
    spine = pl.concat([asked.with_columns(event_timestamp=pl.lit(now, UTC)) for now in moments])

    def offline(which: FeatureView) -> pl.DataFrame:
        return fp.historical_features(which, spine, store, versions=served.versions).collect().drop("event_timestamp")

    expected = offline(view)
    ageless = expected if view.ttl is None else offline(replace(view, ttl=None))
    answer = pl.concat([online_features(view, asked, online, now) for now in moments])
    assert_frame_equal(answer.select(expected.columns), expected, check_exact=True)
    compare_read_ahead(view, asked, online, moments[-1])
    there = pl.Series([None not in row for row in expected.select(asked.columns).rows()])
    marked = "marked" if "marked" in expected else "count_6h"
    if view.kind is not ViewKind.EXACT:
        there = ageless[marked].is_not_null()
    old = there & expected[marked].is_null()
    for name in expected.columns[asked.width :]:
        empty = expected[name].is_null()
        statuses = [
            "NOT_FOUND" if not found else "OUTSIDE_MAX_AGE" if late else "NULL_VALUE" if null else "PRESENT"
            for found, late, null in zip(there, old, empty, strict=True)
        ]
        assert answer[f"{name}__status"].to_list() == statuses, name
        if "moment" in expected:
            assert answer[f"{name}__event_time"].to_list() == ageless["moment"].to_list()


def compare_read_ahead(view: FeatureView, asked: pl.DataFrame, online: Lmdb, now: datetime) -> None:
    """An answer from what was read beforehand, as from a remote store, is the same."""
    columns = {name: asked[name].to_list() for name in asked.columns}
    with online.reader() as reader:
        ahead = ReadAhead(reader)
        served, directly = (ServedService(selections_of(view), each) for each in (ahead, reader))
        served.compiled_views()
        ahead.load({name: [key for key in keys if key] for name, keys in served.keys(columns, asked.height).items()})
        assert served.rows(columns, asked.height, now) == directly.rows(columns, asked.height, now)


def materialize(view: FeatureView, store: fp.OfflineStore) -> None:
    span = (at(0), at(LAST + 1)) if view.partitioned else ()
    fp.materialize(view, store, *span)


def frame(events: Sequence[Event]) -> pl.DataFrame:
    return pl.DataFrame([*FILLERS, *events], schema=SCHEMA, orient="row")


def change(data: st.DataObject, events: list[Event]) -> list[Event]:
    """Rows that came late, one that was corrected, or one that is gone."""
    how = data.draw(st.sampled_from(["late", "late", "corrected", "deleted"]))
    if how == "late" or not events:
        return events + data.draw(st.lists(EVENTS, min_size=1, max_size=3))
    number = data.draw(st.integers(0, len(events) - 1))
    corrected = (
        [(*events[number][:-1], data.draw(st.sampled_from([None, 7.0, float("nan")])))] if how == "corrected" else []
    )
    return events[:number] + corrected + events[number + 1 :]


EDGES = [each + timedelta(microseconds=us) for each in (timedelta(0), DAY / 4, DAY, 3 * DAY) for us in (0, 1)]


def edges(events: Sequence[Event], now: datetime) -> list[datetime]:
    """Moments from now on where a row comes in sight, leaves a window or gets too old, and those just behind them."""
    clocks = [clock for _, _, at, known, _ in [*FILLERS[:1], *events] for clock in (at, known) if clock is not None]
    found = sorted({clock + edge for clock in clocks for edge in EDGES if clock + edge >= now})
    return found or [now]


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=EXAMPLES, database=None, phases=[Phase.generate])
@given(data=st.data())
def test_online_says_what_offline_says_at_every_moment(kind: str, data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    events = data.draw(st.lists(EVENTS, max_size=8))
    now = data.draw(moments(0, 3))
    with TemporaryDirectory() as folder:
        store, online = fp.OfflineStore(folder), Lmdb(Path(folder) / "online")
        view = KINDS[kind](shape, frame(events))
        materialize(view, store)
        table = view.read_from.asset
        for step in range(3):
            if step and data.draw(st.integers(0, 3)) == 0:
                version = data.draw(st.integers(0, store.latest_version(table)))
                store.rollback(table, version, stamp=CommitStamp("r", table, ""))
                store.release(table, stamp=CommitStamp("r", table, ""))
            elif step:
                events = change(data, events)
                view = KINDS[kind](shape, frame(events))
                materialize(view, store)
            if step != 1 or data.draw(st.booleans()):
                publish(view, store, online, now=now)
            asked = data.draw(st.lists(st.sampled_from(edges(events, now)), min_size=12, max_size=12))
            compare(view, store, online, [now, *asked])
            now = data.draw(st.sampled_from([now, *asked]))


SHAPE = Shape(ENTITIES[0], None, "1d", None, "1d")


def test_late_corrected_and_deleted_rows_and_a_rollback_change_the_keys_that_they_touch(tmp_path: Path) -> None:
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    first: list[Event] = [("ann", 1, at(1, 12), None, 1.0), ("bob", 1, at(1, 13), None, 2.0)]
    late: Event = ("ann", 1, at(1, 18), None, 3.0)
    materialize(SHAPE.row(frame(first)), store)
    publish(SHAPE.row(frame(first)), store, online, now=at(1, 20))

    for events in ([*first, late], [first[0], late], first[1:], first):
        view = SHAPE.row(frame(events))
        materialize(view, store)
        (done,) = publish(view, store, online, now=at(1, 20))
        assert (done.how, done.table.generation) == ("changed", 1)
        assert done.written <= 2
        compare(view, store, online, [at(1, 20), at(2, 12), at(2, 13), at(2, 14)])
    store.rollback("views/row", 1, stamp=CommitStamp("r", "views/row", ""))
    (done,) = publish(view, store, online, now=at(1, 20))
    assert done.how == "changed"
    compare(view, store, online, [at(1, 20), at(2, 18), at(2, 19)])
    assert publish(view, store, online, now=at(3))[0].how == "unchanged"


def test_another_known_at_clock_makes_a_new_generation_of_the_same_rows(tmp_path: Path) -> None:
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    rows = frame([("ann", 1, at(1, 12), at(2, 12), 1.0)])

    def view(known_at: str | None) -> FeatureView:
        read = fp.Source("orders", fp.sources.Frame(rows), event_time="at", known_at=known_at)
        return fp.feature_view(entity=ENTITIES[0], source=read, name="all")(same)

    for known_at, told in ((None, 1.0), ("known", None)):
        fp.materialize(view(known_at), store)
        assert publish(view(known_at), store, online, now=at(1, 18))[0].how == "built"
        answer = online_features(view(known_at), {"customer": ["ann"]}, online, at(1, 18))
        assert answer["amount"].to_list() == [told]
