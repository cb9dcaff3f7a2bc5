"""Negatives: as many as were asked for where there are enough, never a positive of the moment, the same for ever."""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.keys.buckets import stable_hash
from feature_platform.compute.spines import negatives
from feature_platform.compute.spines.negatives import with_negatives
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import TooManyPairs
from feature_platform_tests.compute.drawn import at, drawn, drawn_rows
from feature_platform_tests.compute.test_drawn import share

USERS = st.sampled_from(["ann", "bob", "bob", None])
ITEMS = st.sampled_from(["a", "b", "c", "d", "e", "f", None])
TIMES = st.sampled_from([0, 0, 1, 2, None])
Click = tuple[str | None, str | None, int | None]
Shown = tuple[str | None, int | None]


def clicks_of(rows: Sequence[Click]) -> pl.DataFrame:
    plain = [(user, item, None if hour is None else at(hour)) for user, item, hour in rows]
    return pl.DataFrame(plain, schema={"user": pl.String, "item": pl.String, "event_timestamp": UTC}, orient="row")


def shown_of(rows: Sequence[Shown]) -> pl.DataFrame:
    plain = [(item, None if hour is None else at(hour)) for item, hour in rows]
    return pl.DataFrame(plain, schema={"item": pl.String, "since": UTC}, orient="row")


def pairs_of(
    clicks: pl.DataFrame,
    shown: pl.DataFrame,
    ratio: int,
    *,
    on: Sequence[str] = ("user", "item"),
    since: str | None = None,
) -> pl.DataFrame:
    found = with_negatives(clicks, shown, on=on, ratio=ratio, salt="pairs", available_from=since, owner="Spine `pairs`")
    return pl.concat(found).select("event_timestamp", *on)


def naive(clicks: Sequence[Click], shown: Sequence[Shown], ratio: int, *, dated: bool) -> set[tuple[object, ...]]:
    """The definition: of the other items that were there, those with the smallest hashes."""
    positives = {(at(hour), user, item) for user, item, hour in clicks if None not in (user, item) and hour is not None}
    wanted: set[tuple[object, ...]] = set(positives)
    for moment, user in {(moment, user) for moment, user, _ in positives}:
        own = [item for each, who, item in positives if (each, who) == (moment, user)]
        there = {
            item
            for item, hour in shown
            if item is not None and (not dated or (hour is not None and at(hour) <= moment))
        }
        rows = [{"user": user, "item": item, "event_timestamp": moment} for item in sorted(there - set(own))]
        if rows:
            keyed = pl.DataFrame(rows, schema={"user": pl.String, "item": pl.String, "event_timestamp": UTC})
            hashes = stable_hash(keyed, ["user", "item", "event_timestamp"], "pairs").to_list()
            order = sorted(range(len(rows)), key=lambda place: hashes[place])
            wanted |= {(moment, user, rows[place]["item"]) for place in order[: ratio * len(own)]}
    return wanted


@drawn(200)
@given(
    drawn_rows(USERS, ITEMS, TIMES, max_size=10),
    drawn_rows(ITEMS, TIMES, max_size=12),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([1, 7, 2_000_000]),
)
def test_each_positive_has_the_negatives_of_the_definition(
    clicks: list[Click], shown: list[Shown], ratio: int, dated: bool, at_once: int
) -> None:
    wanted = naive(clicks, shown, ratio, dated=dated)
    candidates = shown_of(shown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(negatives, "PAIRS_AT_ONCE", at_once)
        given_candidates = candidates if dated else candidates.select("item")
        found = pairs_of(clicks_of(clicks), given_candidates, ratio, since="since" if dated else None)

    assert found.rows() == sorted(wanted)


def test_often_there_are_negatives_and_candidates_that_were_not_there_yet() -> None:
    stories = st.tuples(drawn_rows(USERS, ITEMS, TIMES, max_size=10), drawn_rows(ITEMS, TIMES, max_size=12))

    def has_negatives(clicks: list[Click], shown: list[Shown]) -> bool:
        return len(naive(clicks, shown, 2, dated=True)) > len(naive(clicks, [], 2, dated=True))

    def waits(clicks: list[Click], shown: list[Shown]) -> bool:
        return naive(clicks, shown, 2, dated=True) != naive(clicks, shown, 2, dated=False)

    assert share(stories, has_negatives) > 0.4
    assert share(stories, waits) > 0.3


@drawn(60)
@given(drawn_rows(USERS, ITEMS, TIMES, max_size=10), drawn_rows(ITEMS, TIMES, max_size=12), st.integers(1, 3))
def test_a_larger_ratio_holds_the_smaller_one_and_the_order_of_rows_says_nothing(
    clicks: list[Click], shown: list[Shown], ratio: int
) -> None:
    left, right = clicks_of(clicks), shown_of(shown).select("item")
    few, more = pairs_of(left, right, ratio), pairs_of(left, right, ratio + 1)

    assert set(few.rows()) <= set(more.rows())
    assert pairs_of(left.reverse(), right.reverse(), ratio).equals(few)


def test_negatives_by_the_whole_key_are_none_of_the_positives_of_their_moment() -> None:
    clicks = pl.DataFrame(
        {"key": ["k1", "k2"], "event_timestamp": [at(1), at(1)]}, schema_overrides={"event_timestamp": UTC}
    )
    others = pl.DataFrame({"key": [f"k{number}" for number in range(50)]})
    found = pairs_of(clicks, others, 3, on=["key"])

    assert found.height == 2 + 6
    assert found["key"].n_unique() == 8


def test_keys_of_other_widths_meet() -> None:
    clicks = pl.DataFrame({"key": pl.Series([1], dtype=pl.Int8), "event_timestamp": pl.Series([at(1)], dtype=UTC)})

    assert pairs_of(clicks, pl.DataFrame({"key": [1, 1_000_000]}), 1, on=["key"])["key"].to_list() == [1, 1_000_000]


def test_more_than_a_hundred_million_pairs_are_refused() -> None:
    moments = pl.Series("event_timestamp", range(20_000), dtype=pl.Int64).cast(UTC)
    clicks = pl.DataFrame({"key": range(20_000)}).with_columns(moments)
    sentence = (
        "Spine `pairs` would choose among 20,000 moments of positives x 5,001 candidates, 100,020,000 pairs; "
        "100,000,000 are the most. Give fewer positives or candidates: a share of them by fp.Spine.events(share=...), "
        "or a source with a filter in its `prepare`."
    )
    with pytest.raises(TooManyPairs) as refused:
        pairs_of(clicks, pl.DataFrame({"key": range(5_001)}), 1, on=["key"])

    assert str(refused.value) == sentence
