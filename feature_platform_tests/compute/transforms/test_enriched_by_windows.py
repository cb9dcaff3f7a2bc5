"""Events that windows of another view enrich, against the definition: the newest instant that was out."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.keys.join_keys import key_names
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.compute.transforms.stretches import changed_instants, reached_events
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform_tests.compute.drawn import at, drawn, drawn_rows, frame

customer = fp.Entity("customer", join_keys=["customer"])
product = fp.Entity("product", join_keys=["id"])
EVENTS: dict[str, Any] = {"customer": pl.String, "product": pl.Int64, "at": UTC, "n": pl.Int64}
TABLE: dict[str, Any] = {"id": pl.Int32, "as_of": UTC, "sold_count_1d": pl.Float64}
LAST = 16

HOURS = st.sampled_from([*range(LAST), *range(LAST), None])
WHAT = st.sampled_from([1, 1, 1, 2, 3, None])
VALUES = st.sampled_from([1.0, 2.0, 3.0, None])
INSTANTS = st.sampled_from([0, 2, 4, 6, 8, 10, 3])  # 3 is none of the cadence
DEFAULTS = st.lists(st.tuples(st.none(), INSTANTS, st.sampled_from([0.0, -1.0])), min_size=2, max_size=6)
ROWS = st.lists(st.tuples(st.sampled_from([1, 1, 2]), INSTANTS, VALUES), min_size=2, max_size=8)
Rows = list[tuple[Any, ...]]


def source(name: str, schema: dict[str, Any], **words: Any) -> fp.Source:
    return fp.Source(name, fp.sources.Frame(pl.DataFrame(schema=schema)), **words)


orders = source("orders", EVENTS, event_time="at")
clicks = source("clicks", {"id": pl.Int32, "at": UTC}, event_time="at")


def popularity(delay: str | None = None, ttl: str | None = None, **words: Any) -> FeatureView:
    aggregations = [fp.Count(windows=["1d"], name="sold")]
    cadence = fp.Cadence(every="2h", delay=delay)
    words = {"aggregations": aggregations, "cadence": cadence, "ttl": ttl, "entity": product, **words}
    return fp.feature_view(source=clicks, name="popularity", **words)(lambda rows: rows)


def enriched_by(view: FeatureView, **words: Any) -> FeatureView:
    words = {"aggregations": [fp.Sum("of__sold_count_1d", windows=["1d"])], **words}
    enrich = [(view.alias("of", keys={"id": "product"}) if view.entity else view)["sold_count_1d"]]
    return fp.feature_view(entity=customer, source=orders, enrich=enrich, name="rich", **words)(lambda rows: rows)


def value_of(table: Rows, what: int | None, e: int | None, t: int, delay: int, ttl: int | None) -> float | None:
    """The definition: what a product was worth at the newest instant up to an event that was out at a moment."""
    if what is None or e is None:
        return None
    defaults = {hour: value for key, hour, value in table if key is None and hour % 2 == 0}
    out = [hour for hour in defaults if hour <= e and hour + delay <= t]
    if not out or (ttl is not None and e - max(out) > ttl):
        return None
    return {(key, hour): value for key, hour, value in table}.get((what, max(out)), defaults[max(out)])


@drawn(100)
@given(drawn_rows(WHAT, HOURS), DEFAULTS, ROWS, st.sampled_from([0, 1, 5]), st.sampled_from([None, 1, 4]))
def test_an_event_has_the_newest_instant_that_was_out_at_each_moment(drawn_orders, defaults, rows, delay, ttl):
    view = enriched_by(popularity(f"{delay}h" if delay else None, f"{ttl}h" if ttl else None))
    assert view.has_versions == (delay > 0)
    events = frame([("ann", what, hour, n) for n, (what, hour) in enumerate(drawn_orders)], **EVENTS).lazy()
    tables = {"views/popularity": frame(defaults + rows, **TABLE).lazy()}
    found = enrich_events(view, events, tables).collect()
    assert list(dict.fromkeys(found["n"])) == list(range(len(drawn_orders)))
    for n, (what, e) in enumerate(drawn_orders):
        versions = [row for row in found.iter_rows(named=True) if row["n"] == n]
        for t in range(0 if e is None else e, LAST + 6):
            seen = [
                row["of__sold_count_1d"]
                for row in versions
                if not delay
                or e is None
                or (row["known_at"] <= at(t) and (row["known_until"] is None or at(t) < row["known_until"]))
            ]
            assert seen == [value_of(defaults + rows, what, e, t, delay, ttl)], (n, t)


@drawn(100)
@given(drawn_rows(WHAT, HOURS), DEFAULTS, ROWS, DEFAULTS, ROWS, st.integers(0, 12), st.sampled_from([0, 3]))
def test_events_that_changed_instants_enrich_otherwise_lie_in_their_stretches(
    drawn_orders, defaults, rows, more_defaults, more, gone, delay
):
    popular = popularity(f"{delay}h" if delay else None)
    view, old = enriched_by(popular), defaults + rows
    new = old[:gone] + old[gone + 1 :] + more_defaults[: gone % 2] + more[: gone % 3]
    events = frame([("ann", what, hour, n) for n, (what, hour) in enumerate(drawn_orders)], **EVENTS)
    before, after = (frame(table, **TABLE) for table in (old, new))
    was, now = (
        enrich_events(view, events.lazy(), {"views/popularity": each.lazy()}).collect() for each in (before, after)
    )
    differing = {n for n in events["n"] if not was.filter(pl.col("n") == n).equals(now.filter(pl.col("n") == n))}
    assert differing <= reached(events, before, after, view.enrichments[0])


def reached(events: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame, by: Enrichment) -> set[int]:
    assert by.cadence is not None
    found = set[int]()
    for stretches in changed_instants(before, after, by, by.cadence):
        own = by if set(key_names(list(by.on))) <= set(stretches.columns) else Enrichment(by.dimension, {}, by.columns)
        found |= set(reached_events(events.lazy(), stretches, own, "at", "A test").collect()["n"])
    return found


@pytest.mark.parametrize(("delay", "wanted"), [(None, [4, 5]), ("1h", [4, 5, 6]), ("4h", [4, 5, 6, 7, 8, 9])])
def test_a_changed_row_reaches_events_of_its_key_until_the_next_instant_is_out(delay, wanted):
    defaults = [(None, hour, 0.0) for hour in range(0, 10, 2)]
    before, after = frame([*defaults, (1, 4, 7.0)], **TABLE), frame([*defaults, (1, 4, 8.0)], **TABLE)
    events = frame([("ann", 1 + n % 2, n // 2, n // 2 if n % 2 == 0 else -n) for n in range(20)], **EVENTS)
    by = enriched_by(popularity(delay)).enrichments[0]
    assert sorted(reached(events, before, after, by)) == wanted
    gone = before.filter(pl.col("as_of") != at(4))
    both = reached(events, before, gone, by)
    assert {abs(n) // 2 if n < 0 else n for n in both} == set(wanted)
    assert any(n < 0 for n in both)  # an instant that is gone is gone for all keys


def test_a_view_without_keys_enriches_all_events_alike():
    view = enriched_by(popularity(entity=None), aggregations=[fp.Count(windows=["1d"])])
    events = frame([("ann", None, 1, 0), ("bob", 1, 3, 1), ("eve", 1, None, 2)], **EVENTS).lazy()
    table = frame([(None, 0, 5.0), (None, 2, 6.0)], **TABLE).drop("id").lazy()
    found = enrich_events(view, events, {"views/popularity": table}).collect()
    assert found["sold_count_1d"].to_list() == [5.0, 6.0, None]


def test_nothing_is_seen_where_nothing_was_published():
    events = frame([("ann", 1, 1, 0)], **EVENTS).lazy()
    for rows in ([], [(1, 0, 5.0)]):
        tables = {"views/popularity": frame(rows, **TABLE).lazy()}
        assert enrich_events(enriched_by(popularity()), events, tables).collect()["of__sold_count_1d"].to_list() == [
            None
        ]


def test_behind_a_window_that_enriches_are_its_column_the_key_and_the_clocks():
    schemas = {"sources/orders": pl.Schema(EVENTS), "views/popularity": pl.Schema(TABLE)}
    for delay in (None, "1h"):
        behind = lineage_by_table(enriched_by(popularity(delay)), schemas)
        assert set(behind["of__sold_count_1d_sum_1d"]) >= {
            *(("views/popularity", name) for name in ("sold_count_1d", "id", "as_of")),
            *(("sources/orders", name) for name in ("product", "at")),
        }


def test_the_instants_that_are_seen_are_part_of_the_code_of_a_view():
    views = [popularity(), popularity("1h"), popularity(ttl="3h"), popularity(cadence=fp.Cadence(every="3h"))]
    assert len({code_version(enriched_by(view)) for view in views}) == 4
    assert code_version(enriched_by(popularity())) == code_version(enriched_by(popularity()))


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (
            lambda: enriched_by(popularity(accuracy="exact")),
            (
                "Feature view `rich` is enriched by the exact view `of`, whose windows end at the reader's own moment. "
                "Enrich by a snapshot view of the same windows, or put both views into one service."
            ),
        ),
    ],
)
def test_windows_that_cannot_enrich_say_why(declare, text):
    with pytest.raises(fp.errors.InvalidDeclaration) as raised:
        declare()
    assert str(raised.value) == text
