"""Windows of every shape, and conditions on their events, against a definition of a few lines."""

from datetime import datetime, timedelta
from datetime import timezone as zones
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.windows import published_windows, window_features
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, TransformFailed, WrongColumnType
from feature_platform.parts.aggregations import Aggregation, Count, Last, Mean, Quantile, Rate, Recency, Sum
from feature_platform.parts.aggregations.windows import UNBOUNDED
from feature_platform_tests.compute.catalogue import NAMES, made, of_a_user
from feature_platform_tests.compute.drawn import EPOCH, KEYS, VALUES, at, drawn, drawn_rows, frame
from feature_platform_tests.compute.naive import same

NEW_YORK = "America/New_York"
MIDNIGHT = int((datetime(2024, 3, 10, 5, tzinfo=zones.utc) - EPOCH) / timedelta(hours=1))  # 2 h before clocks change
HOURS = st.sampled_from([*range(MIDNIGHT - 14, MIDNIGHT + 30)] * 2 + [None])
KINDS = st.sampled_from(["a", "a", "b", "c", None])
CLOCKS: dict[str, Any] = {"spine_time": "t", "event_time": "event"}
SPINE = {"key": pl.String, "t": UTC}
EVENTS = {"key": pl.String, "event": UTC, "known": UTC, "x": pl.Float64, "kind": pl.String}
SHAPES: dict[str, tuple[list[str], dict[str, Any]]] = {  # windows, and what is said of them
    "fixed": (["3h", "12h"], {}),
    "lagged": (["3h", "12h"], {"lag": "3h"}),
    "lifetime": (["lifetime"], {}),
    "calendar": (["day_to_date", "last_day", "month_to_date", "last_month"], {"tz": NEW_YORK}),
    "where": (["3h", "lifetime"], {"where": (pl.col("kind") == "a") | (pl.col("x") > 1)}),
    "by": (["12h", "day_to_date"], {"by": "kind", "categories": ["a", "b"], "where": pl.col("event").dt.hour() < 20}),
}


def first_of(t, unit, tz, back=0):
    """The first instant of the local unit of `t`, or of a unit before it, found by walking."""
    zone, step = ZoneInfo(tz), timedelta(minutes=15)

    def name(moment):
        local = moment.astimezone(zone)
        return (local.year, local.month) + ((local.day,) if unit == "day" else ())

    for turn in range(back + 1):
        t -= step * bool(turn)
        while name(t - step) == name(t):
            t -= step
    return t


def bounds(window, options, t):
    """The start and the end of a window that ends at `t`."""
    if window == "lifetime":
        return datetime(1, 1, 1, tzinfo=zones.utc), t
    tz = options.get("tz", "UTC")
    if window.endswith("_to_date"):
        return first_of(t, window.split("_")[0], tz), t
    if window.startswith("last_"):
        return first_of(t, window.split("_")[1], tz, 1), first_of(t, window.split("_")[1], tz)
    end = t - timedelta(hours=int(options.get("lag", "0h")[:-1]))
    return end - timedelta(hours=int(window[:-1])), end


def events_in(rows, key, t, start, end):
    """The events of a key in `[start, end)` known by `t`, in order of event time, then of input."""
    inside = [
        (at(event), place, x, kind)
        for place, (other, event, known, x, kind) in enumerate(rows)
        if other == key and None not in (event, known) and start <= at(event) < end and at(known) <= t
    ]
    return [(event, x, kind) for event, _, x, kind in sorted(inside, key=lambda row: row[:2])]


def counts(shape, category, event, x, kind):
    """Whether an event counts, by what is said of its windows."""
    if shape == "where":
        return kind == "a" or (x is not None and not x <= 1)
    if shape == "by":
        return event.hour < 20 and (kind == category or (category == "other" and kind not in ("a", "b")))
    return True


@pytest.mark.parametrize("shape", SHAPES)
@drawn(60)
@given(
    drawn_rows(KEYS, HOURS, max_size=8),
    drawn_rows(KEYS, HOURS, HOURS, VALUES, KINDS, max_size=20),
    st.booleans(),
    st.booleans(),
)
def test_every_aggregation_is_that_of_the_events_that_count(shape, spine, events, bitemporal, of_users):
    windows, options = SHAPES[shape]
    aggregations = {name: made(name, windows, **options) for name in NAMES}
    if of_users:
        aggregations = {name: of_a_user(aggregation) for name, aggregation in aggregations.items()}
    aggregations |= {"rows": Count(windows=windows, **options), "ago": Recency("x", windows=windows, **options)}
    aggregations["event"] = Recency(windows=windows, **options)
    known = "known" if bitemporal else None
    found = window_features(
        frame(spine, **SPINE),
        frame(events, **EVENTS),
        on=["key"],
        **CLOCKS,
        known_at=known,
        aggregations=list(aggregations.values()),
    ).collect()
    rows = [(key, event, seen if bitemporal else event, x, kind) for key, event, seen, x, kind in events]
    for (key, hour), features in zip(spine, found.iter_rows(named=True), strict=True):
        for window in windows:
            for category in ["a", "b", "other"] if shape == "by" else [None]:
                names = {
                    name: aggregation.feature(
                        f"{category}_{window}" if category else window + ("_lag_3h" if shape == "lagged" else "")
                    )
                    for name, aggregation in aggregations.items()
                }
                if key is None or hour is None:
                    assert all(features[name] is None for name in names.values())
                    continue
                t = at(hour)
                inside = [
                    (event, x)
                    for event, x, kind in events_in(rows, key, t, *bounds(window, options, t))
                    if counts(shape, category, event, x, kind)
                ]
                assert features[names["rows"]] == len(inside)
                ago = [(t - event).total_seconds() for event, x in inside if x is not None]
                assert features[names["ago"]] == (ago[-1] if ago else None)
                ago = [(t - event).total_seconds() for event, _ in inside]
                assert features[names["event"]] == (ago[-1] if ago else None)
                for name in NAMES:
                    values = [x for _, x in inside]
                    assert same(name, features[names[name]], values), (name, window, features[names[name]], values)


@drawn(25)
@given(drawn_rows(KEYS, HOURS, HOURS, VALUES, KINDS, max_size=20), st.booleans())
def test_published_rows_are_those_of_a_spine_of_the_keys_that_have_events_in_reach(events, bitemporal):
    aggregations = [made(name, windows, **options) for windows, options in list(SHAPES.values())[:4] for name in NAMES]
    rows, known = frame(events, **EVENTS), "known" if bitemporal else None
    published = published_windows(
        rows,
        on=["key"],
        event_time="event",
        known_at=known,
        aggregations=aggregations,
        every=3_600_000_000,
        start=at(MIDNIGHT - 8),
        end=at(MIDNIGHT + 30),
    ).collect()
    spine = published.select("key", t="as_of")
    asked = window_features(
        spine.drop_nulls(), rows, on=["key"], **CLOCKS, known_at=known, aggregations=aggregations
    ).collect()
    assert published.drop_nulls("key").rename({"as_of": "t"}).equals(asked, null_equal=True)
    seen = {
        (key, hour)
        for hour in range(MIDNIGHT - 7, MIDNIGHT + 31)
        for key, event, later, *_ in events
        if None not in (key, event, later if bitemporal else event)
        if max(event + 1, later if bitemporal else event + 1) <= hour
    }
    hours = {(key, int((t - EPOCH) / timedelta(hours=1))) for key, t in spine.drop_nulls().rows()}
    assert hours == seen
    assert spine.filter(pl.col("key").is_null()).height == 38


class Weighted(Aggregation):
    """A user's aggregation of two columns."""

    label = "weighted"

    @property
    def inputs(self) -> tuple[str, ...]:
        return str(self.column), "w"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return (pl.col(str(self.column)) * pl.col("w")).sum() / pl.col("w").sum()


@pytest.mark.parametrize("known", [None, "known"])
def test_an_aggregation_of_a_user_gets_the_events_that_count_and_no_others_whatever_it_reads(known):
    events = pl.DataFrame(
        {
            "key": ["a"] * 4,
            "event": [at(1), at(2), at(3), at(4)],
            "known": [at(1), at(30), at(3), at(4)],
            "x": [1.0, 2.0, 4.0, None],
            "w": [1.0, 1.0, 2.0, 9.0],
            "kind": ["a", "a", "b", "a"],
        }
    )
    spine = pl.DataFrame({"key": ["a", "a", "b"], "t": [at(9), at(31), at(9)]})
    aggregations = [
        Weighted("x", windows=["lifetime"], where=pl.col("x") < 3, name="small"),
        Weighted("x", windows=["lifetime"], by="kind", categories=["b"]),
        Weighted("x", windows=["26h"], lag="5h", where=pl.col("w") > 0, name="lagged"),
    ]
    found = window_features(spine, events, on=["key"], **CLOCKS, known_at=known, aggregations=aggregations).collect()
    late = known is not None
    assert found["small_weighted_lifetime"].to_list() == [1.0 if late else 1.5, 1.5, None]
    assert found["x_weighted_b_lifetime"].to_list() == [4.0, 4.0, None]
    other = [(1.0 if late else 3.0) / (10.0 if late else 11.0), 3.0 / 11.0, None]
    assert found["x_weighted_other_lifetime"].to_list() == other
    lagged = [3.0 if late else 2.75, 11.0 / 13.0, None]
    assert found["lagged_weighted_26h_lag_5h"].to_list() == lagged


def test_a_condition_without_columns_counts_all_events_or_none():
    spine = pl.DataFrame({"key": ["a"], "t": [at(9)]})
    events = pl.DataFrame({"key": ["a"] * 3, "event": [at(1), at(2), at(3)]})
    counts = [Count(windows=["1d"], where=pl.lit(value), name=str(value)) for value in (True, False)]
    for aggregations in (counts, list(map(of_a_user, counts))):
        found = window_features(spine, events, on=["key"], **CLOCKS, aggregations=aggregations).collect()
        assert found.row(0)[2:] == (3, 0)


# ---------------------------------------------------------------- names and mistakes


def test_features_are_named_by_what_is_said_of_them():
    sums = Sum("price", windows=["7d", "lifetime"], by="kind", categories=["food", "toys"], name="spent")
    assert sums.features == (
        *("spent_sum_food_7d", "spent_sum_food_lifetime", "spent_sum_toys_7d", "spent_sum_toys_lifetime"),
        *("spent_sum_other_7d", "spent_sum_other_lifetime"),
    )
    assert Quantile("x", 0.5, windows=["7d"], lag="7d", name="y").features == ("y_p50_7d_lag_7d",)
    assert Rate("late", windows=["last_week"]).features == ("late_rate_last_week",)
    assert Recency(windows=["1d"], name="visit").features == ("visit_recency_1d",)


def test_an_aggregation_tells_itself_from_others_by_all_that_is_said():
    plain = Sum("x", windows=["1d"])
    others = [
        Sum("x", windows=["1d"], lag="1d"),
        Sum("x", windows=["1d"], name="y"),
        Sum("x", windows=["1d"], where=pl.col("x") > 1),
        Sum("x", windows=["1d"], where=pl.col("x") > 2),
        Sum("x", windows=["1d"], by="kind", categories=["a"]),
        Sum("x", windows=["day_to_date"]),
        Sum("x", windows=["day_to_date"], tz=NEW_YORK),
    ]
    assert len({plain, *others}) == len(others) + 1
    assert repr(plain) == "Sum('x', windows=['1d'])"
    assert vars(plain) == {"column": "x", "windows": ("1d",)}


def test_what_reaches_back_for_ever_says_so():
    assert Sum("x", windows=["1d", "lifetime"]).reach == UNBOUNDED
    assert Sum("x", windows=["7d"], lag="2d").reach == 9 * 86_400_000_000


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"windows": ["month"]}, "has the duration 'month'"),
        ({"windows": ["last_month_to_date"]}, "has the duration"),
        ({"windows": ["lifetime"], "lag": "1d"}, "has lag='1d' and the window 'lifetime'"),
        ({"windows": ["last_month"], "lag": "1d"}, "Lag windows of fixed length"),
        ({"windows": ["1d"], "lag": "a week"}, "has the duration 'a week'"),
        ({"windows": ["1d"], "lag": 3}, "has lag=3"),
        ({"windows": ["1d"], "tz": NEW_YORK}, "no calendar window"),
        ({"windows": ["last_day"], "tz": "New York"}, "New York"),
        ({"windows": ["1d"], "where": "x > 1"}, "has where='x > 1'"),
        ({"windows": ["1d"], "by": "kind"}, "Give both"),
        ({"windows": ["1d"], "categories": ["a"]}, "Give both"),
        ({"windows": ["1d"], "by": "kind", "categories": "a"}, "has categories='a'"),
        ({"windows": ["1d"], "by": "kind", "categories": ["a", "a"]}, "different texts"),
        ({"windows": ["1d"], "by": "kind", "categories": ["other"]}, "none of them `other`"),
        ({"windows": ["1d"], "by": "kind", "categories": [1]}, "different texts"),
        ({"windows": ["1d"], "name": ""}, "has name=''"),
    ],
)
def test_what_means_nothing_is_refused(options, fault):
    with pytest.raises(InvalidDeclaration, match="Sum") as refused:
        Sum("x", **options)
    assert fault in str(refused.value)
    with pytest.raises(TypeError, match="no argument 'horizon'"):
        Sum("x", windows=["1d"], horizon=["1d"])  # type: ignore[call-arg]


def test_conditions_that_are_none_are_refused_with_what_they_are():
    spine = pl.DataFrame({"key": ["a"], "t": [at(9)]})
    events = pl.DataFrame({"key": ["a"], "event": [at(1)], "x": [1.0], "n": [2]})

    def ask(aggregation):
        return window_features(spine, events, on=["key"], **CLOCKS, aggregations=[aggregation])

    with pytest.raises(MissingColumns, match="`y`"):
        ask(Mean("x", windows=["1d"], where=pl.col("y") > 1))
    with pytest.raises(InvalidDeclaration, match="`where` of type Float64"):
        ask(Mean("x", windows=["1d"], where=pl.col("x")))
    with pytest.raises(InvalidDeclaration, match="looks at other rows"):
        ask(Mean("x", windows=["1d"], where=pl.col("x") > pl.col("x").mean()))
    with pytest.raises(TransformFailed, match="where"):
        ask(Mean("x", windows=["1d"], where=pl.col("x").str.len_chars() > 1))
    with pytest.raises(WrongColumnType, match="by: column `n` is Int64"):
        ask(Last("x", windows=["1d"], by="n", categories=["1"]))
