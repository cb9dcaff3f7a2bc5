"""Enrichment against its definition: each event with the newest row of its key at its own time."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.transforms.enriched import enrich_events, hold_rows
from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.compute.transforms.stretches import changed_stretches, reached_events
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform_tests.compute import naive
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, PARTS, VALUES, drawn_rows, frame

carrier = fp.Entity("carrier", join_keys=["carrier"])
plane = fp.Entity("plane", join_keys=["owner", "part"])
EVENTS: dict[str, Any] = {"carrier": pl.String, "part": pl.Int64, "at": UTC, "n": pl.Int64}
ROWS: dict[str, Any] = {"owner": pl.String, "part": pl.Int8, "since": UTC, "seats": pl.Float64}
FACTS: dict[str, Any] = {"carrier": pl.Categorical, "seats": pl.Float64}


def source(name: str, schema: dict[str, Any], **words: Any) -> fp.Source:
    return fp.Source(name, fp.sources.Frame(pl.DataFrame(schema=schema)), **words)


flights = source("flights", EVENTS, event_time="at")
planes = source("planes", ROWS, entity=plane, event_time="since")
carriers = source("carriers", FACTS, entity=carrier)
fleet = fp.feature_view(entity=plane, source=planes, ttl="3h", name="fleet")(lambda rows: rows)


def enriched_by(*enrich: Any, **words: Any) -> FeatureView:
    words = {"aggregations": [fp.Count(windows=["1d"])], **words}
    return fp.feature_view(entity=carrier, source=flights, enrich=enrich, name="rich", **words)(lambda rows: rows)


BOTH = enriched_by(
    planes["seats"].alias("plane", keys={"owner": "carrier"}),
    fleet.alias("fleet", keys={"owner": "carrier"})["seats"],
    carriers["seats"],
)


def same(left: float | None, right: float | None) -> bool:
    return naive.plain(left) == naive.plain(right)


@DRAWN
@given(drawn_rows(KEYS, PARTS, HOURS), drawn_rows(KEYS, PARTS, HOURS, VALUES), drawn_rows(KEYS, VALUES))
def test_an_event_has_the_newest_row_of_its_key_at_its_own_time(drawn_events, drawn_planes, drawn_carriers):
    events = [(*event, place) for place, event in enumerate(drawn_events)]
    tables = {
        "sources/planes": frame(drawn_planes, **ROWS).lazy(),
        "views/fleet": frame(drawn_planes, **ROWS).lazy(),
        "sources/carriers": frame(drawn_carriers, **FACTS).lazy(),
    }
    found = enrich_events(BOTH, frame(events, **EVENTS).lazy(), tables).collect()
    assert found["n"].to_list() == list(range(len(events)))
    dated = [((owner, part), since, since, (seats,)) for owner, part, since, seats in drawn_planes]
    facts = [((owner,), 0, 0, (seats,)) for owner, seats in drawn_carriers]
    for (who, part, hour, _), row in zip(events, found.iter_rows(named=True), strict=True):
        for column, winner in {
            "plane__seats": naive.winner((who, part), hour, dated),
            "fleet__seats": naive.winner((who, part), hour, dated, ttl=3),
            "seats": naive.winner((who,), 0, facts),
        }.items():
            assert same(row[column], None if winner is None else winner[3][0]), (column, who, part, hour)


BY_PLANE, BY_CARRIER = BOTH.enrichments[0], BOTH.enrichments[2]


@DRAWN
@given(
    drawn_rows(KEYS, PARTS, HOURS),
    drawn_rows(KEYS, PARTS, HOURS, VALUES),
    st.lists(st.tuples(KEYS, PARTS, HOURS, VALUES), max_size=2),
    st.sets(st.integers(0, 14), max_size=2),
)
def test_events_that_a_changed_table_enriches_otherwise_lie_in_its_changed_stretches(events, rows, more, gone):
    numbered = frame([(*event, place) for place, event in enumerate(events)], **EVENTS)
    old = frame(rows, **ROWS)
    new = frame([row for place, row in enumerate(rows) if place not in gone] + more, **ROWS)
    assert_found(numbered, old, new, BY_PLANE)


@DRAWN
@given(drawn_rows(KEYS, PARTS, HOURS), drawn_rows(KEYS, VALUES), drawn_rows(KEYS, VALUES))
def test_all_events_of_a_changed_fact_are_found(events, old, new):
    numbered = frame([(*event, place) for place, event in enumerate(events)], **EVENTS)
    assert_found(numbered, frame(old, **FACTS), frame(new, **FACTS), BY_CARRIER)


def assert_found(events, old, new, by):
    by_plane = planes["seats"].alias("plane", keys={"owner": "carrier"})
    view = enriched_by(by_plane if by is BY_PLANE else carriers["seats"])
    before, after = (enrich_events(view, events.lazy(), {by.asset: rows.lazy()}).collect() for rows in (old, new))
    column = next(iter(by.columns))
    pairs = zip(before["n"], before[column], after[column], strict=True)
    differing = {n for n, one, other in pairs if not same(one, other)}
    stretches = changed_stretches(old.select(by.reads), new.select(by.reads), by)
    found = reached_events(events.lazy(), stretches, by, "at", "A test").collect()
    assert set(found.columns) == set(EVENTS)
    assert differing <= set(found["n"])
    assert len(found) == found["n"].n_unique()
    assert not len(found) or not old.equals(new, null_equal=True)


def test_a_stretch_ends_where_the_same_row_follows():
    events = frame([("UA", 1, hour, hour) for hour in range(6)], **EVENTS)
    old = frame([("UA", 1, 0, 1.0), ("UA", 1, 3, 3.0)], **ROWS)
    new = frame([("UA", 1, 0, 1.0), ("UA", 1, 2, 2.0), ("UA", 1, 3, 3.0)], **ROWS)
    stretches = changed_stretches(old.select(BY_PLANE.reads), new.select(BY_PLANE.reads), BY_PLANE)
    found = reached_events(events.lazy(), stretches, BY_PLANE, "at", "A test").collect()
    assert found["n"].to_list() == [2]


def test_one_enrichment_may_find_the_key_of_the_next():
    view = enriched_by(
        source("owners", {"carrier": pl.String, "owner": pl.String}, entity=carrier)["owner"], planes["seats"]
    )
    tables = {
        "sources/owners": pl.LazyFrame({"carrier": ["UA"], "owner": ["Z"]}),
        "sources/planes": frame([("Z", 1, 0, 9.0)], **ROWS).lazy(),
    }
    events = frame([("UA", 1, 2, 0), ("AA", 1, 2, 1)], **EVENTS).lazy()
    assert enrich_events(view, events, tables).collect()["seats"].to_list() == [9.0, None]


def test_held_rows_are_read_once():
    reads = []

    def read(rows: pl.DataFrame) -> pl.DataFrame:
        reads.append(1)
        return rows

    held = hold_rows(pl.LazyFrame({"a": [1]}).map_batches(read))
    reads.clear()
    assert [held.collect()["a"].to_list(), pl.concat([held, held]).collect().height] == [[1], 2]
    assert reads == [1]


def test_behind_a_column_that_enriches_are_its_own_table_the_keys_and_the_clocks():
    view = enriched_by(carriers["seats"], fleet.alias("fleet", keys={"owner": "carrier"})["seats"], aggregations=())
    tables = {"sources/flights": EVENTS, "sources/carriers": FACTS, "views/fleet": ROWS}
    schemas = {name: pl.DataFrame(schema=schema).schema for name, schema in tables.items()}
    behind = lineage_by_table(view, schemas)
    assert behind["part"] == (("sources/flights", "part"),)
    assert set(behind["seats"]) == {
        ("sources/carriers", "seats"),
        ("sources/carriers", "carrier"),
        ("sources/flights", "carrier"),
    }
    assert set(behind["fleet__seats"]) == {
        *(("views/fleet", name) for name in ("seats", "owner", "part", "since")),
        *(("sources/flights", name) for name in ("carrier", "part", "at")),
    }


def test_what_is_taken_of_a_table_is_part_of_the_code_of_a_view():
    plain, one = enriched_by(), enriched_by(carriers["seats"])
    other = enriched_by(carriers["seats"].alias("own", keys={"carrier": "carrier"}))
    assert len({code_version(view) for view in (plain, one, other)}) == 3
    assert code_version(one) == code_version(enriched_by(carriers["seats"]))


known = source("known", {**ROWS, "loaded": UTC}, entity=plane, event_time="since", known_at="loaded")


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (
            lambda: source("bare", ROWS, event_time="since")["seats"],
            "Source `bare` is used to enrich and says no entity. Give it entity=..., or enrich by a feature view.",
        ),
        (
            lambda: planes["owner"],
            "Source `planes` is asked for `owner`, a join key or clock. Select others; the event has the keys.",
        ),
        (lambda: planes[()], 'Source `planes` is asked for no column. Name at least one: source["a"].'),
        (
            lambda: enriched_by(planes["seats"], carriers["seats"]),
            (
                "Feature view `rich` gets `seats` from both Source `planes` and Source `carriers`. "
                'Select fewer columns, or `.alias("other", keys={...})`.'
            ),
        ),
        (
            lambda: fp.feature_view(
                entity=carrier,
                source=BOTH,
                enrich=[known["seats"]],
                aggregations=[fp.Count(windows=["1d"])],
                name="rich",
            )(lambda rows: rows),
            (
                "Feature view `rich` reads windows of `rich` and is enriched by rows that may be known later than they "
                "hold. Enrich the events of that view, or by rows that are known when they hold."
            ),
        ),
        (
            lambda: enriched_by(planes),
            (
                "Feature view `rich` is enriched by Source `planes`. "
                "Give a list of columns of sources and feature views: "
                'enrich=[products["price"]].'
            ),
        ),
        (
            lambda: fp.feature_view(entity=carrier, source=carriers, enrich=[planes["seats"]], name="rich")(
                lambda rows: rows
            ),
            (
                "Feature view `rich` is enriched by Source `planes`, which has an event time, and its own rows have "
                "none. "
                "Give the view's source an event_time, or enrich by facts without one."
            ),
        ),
    ],
)
def test_an_enrichment_that_cannot_be_says_why(declare, text):
    with pytest.raises(fp.errors.InvalidDeclaration) as raised:
        declare()
    assert str(raised.value) == text


def test_a_column_that_the_source_has_already_is_refused_when_both_are_known():
    view = enriched_by(source("other", {"carrier": pl.String, "n": pl.Int64}, entity=carrier)["n"])
    tables = {"sources/other": pl.LazyFrame(schema={"carrier": pl.String, "n": pl.Int64})}
    with pytest.raises(fp.errors.InvalidDeclaration, match="gets `n` from both its source and `sources/other`"):
        enrich_events(view, pl.LazyFrame(schema=EVENTS), tables)


def test_a_key_that_events_lack_or_have_in_another_type_names_the_table():
    tables = {"sources/planes": pl.LazyFrame(schema=ROWS)}
    with pytest.raises(fp.errors.MissingColumns, match=r"enriched by `sources/planes`.*owner"):
        enrich_events(enriched_by(planes["seats"]), pl.LazyFrame(schema=EVENTS), tables)
    events = pl.LazyFrame(schema=EVENTS | {"owner": pl.Int64})
    with pytest.raises(fp.errors.WrongColumnType, match=r"enriched by `sources/planes`.*owner"):
        enrich_events(enriched_by(planes["seats"]), events, tables)


def test_times_at_the_ends_of_what_can_be_written_are_found():
    view = enriched_by(planes["seats"].alias("plane", keys={"owner": "carrier"}))
    rows = pl.DataFrame({"owner": ["UA"], "part": [1], "since": [-(2**62)], "seats": [1.0]}, schema_overrides=ROWS)
    events = pl.DataFrame({"carrier": ["UA"], "part": [1], "at": [2**62], "n": [0]}, schema_overrides=EVENTS)
    found = enrich_events(view, events.lazy(), {"sources/planes": rows.lazy()}).collect()
    assert found["plane__seats"].to_list() == [1.0]
