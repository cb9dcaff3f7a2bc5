"""Entries: at every moment the row that a naive definition finds, however and in whatever order rows came."""

import timeit
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.serving.entries import (
    BETWEEN_ROWS,
    HAS_NULLS,
    HEADER,
    NULLS,
    ORIGIN,
    PUSHED,
    TEXT,
    add_pushed_rows,
    entries_of,
    merge_entries,
    row_at,
)
from feature_platform.compute.serving.keys import key_expr
from feature_platform.ground.clock import ALWAYS, EPOCH, UTC, moment_of, rfc3339
from feature_platform.ground.sortable_moments import sortable
from feature_platform.ground.working_columns import ENTRY, KEY
from feature_platform_tests.effort import tries

LAW = settings(max_examples=tries(60), deadline=None)
KEYS = {"k": pl.String()}
FEATURES = pl.Schema({"x": pl.Int64(), "y": pl.String()})
SCHEMA = pl.Schema({"k": pl.String(), "at": UTC, "known": UTC, "x": pl.Int64(), "y": pl.String()})
MOMENTS = [EPOCH] + [moment_of(second * 1_000_000) for second in range(1, 8)]
Row = tuple[str | None, datetime | None, datetime | None, int | None, str | None]


def drawn(keys: list[str | None]) -> st.SearchStrategy[Row]:
    moment = st.sampled_from([*MOMENTS[1:6], None])
    return st.tuples(
        st.sampled_from(keys), moment, moment, st.none() | st.integers(0, 99), st.sampled_from(["\n", "a", None])
    )


def entries(rows: list[Row], now: datetime, *, pushed: bool = False) -> dict[bytes, bytes]:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    made = entries_of(
        frame, key_expr(KEYS), FEATURES, event=pl.col("at"), known=pl.col("known"), now=now, pushed=pushed
    )
    assert made.schema == {KEY: pl.Binary, ENTRY: pl.Binary}
    assert all(before < after for before, after in pairwise(made[KEY]))
    return dict(made.iter_rows())


def naive(rows: list[Row], key: str, now: datetime) -> Row | None:
    """The newest event that has happened and is known; of equal clocks the last."""
    best = None
    for row in rows:
        if row[0] != key or row[1] is None or row[2] is None or row[1] > now or row[2] > now:
            continue
        if best is None or (row[1], row[2]) >= (best[1], best[2]):
            best = row
    return best


def said(row: Row | None) -> tuple[str, bool, list[bytes]] | None:
    if row is None:
        return None
    texts = [b"null" if value is None else str(value).encode() for value in (row[3],)]
    texts.append({None: b"null", "a": b'"a"', "\n": b'"\\n"'}[row[4]])
    assert row[1] is not None
    return rfc3339(row[1]), None in row[3:], texts


def read(entry: bytes | None, now: datetime) -> tuple[str, bool, list[bytes]] | None:
    row = None if entry is None else row_at(entry, sortable(now))
    return None if row is None else (row[TEXT].decode(), row[NULLS] == HAS_NULLS, row[HEADER:].split(b",\n"))


@LAW
@given(rows=st.lists(drawn(["a", "b", None]), max_size=8), now=st.sampled_from(MOMENTS))
def test_an_entry_says_at_every_later_moment_what_the_definition_says(rows: list[Row], now: datetime) -> None:
    found = entries(rows, now)

    for later in (moment for moment in MOMENTS if moment >= now):
        for key in ("a", "b"):
            assert read(found.get(b"k" + key.encode()), later) == said(naive(rows, key, later))


@LAW
@given(rows=st.lists(drawn(["a"]), max_size=8), now=st.sampled_from(MOMENTS))
def test_an_entry_keeps_no_row_that_no_later_moment_sees(rows: list[Row], now: datetime) -> None:
    for entry in entries(rows, now).values():
        kept = entry.split(BETWEEN_ROWS)
        assert sum(row_at(row[: HEADER - 1] + b"." + row[HEADER:], sortable(now)) is not None for row in kept) <= 1
        assert [row[27:63] for row in kept] == sorted({row[27:63] for row in kept}, reverse=True)


def test_facts_without_a_clock_hold_at_all_times() -> None:
    frame = pl.DataFrame({"k": ["a", "a", None], "x": [1, 2, 3], "y": ["", None, ""]})
    found = entries_of(frame, key_expr(KEYS), FEATURES, event=None, now=EPOCH)

    assert found[KEY].to_list() == [b"ka"]
    assert read(found[ENTRY][0], ALWAYS) == ("0001-01-01T00:00:00.000000Z", True, [b"2", b"null"])


@pytest.mark.parametrize(("pushed", "origin"), [(True, PUSHED), (False, ord("d"))])
def test_a_row_says_where_it_came_from(pushed: bool, origin: int) -> None:
    (entry,) = entries([("a", MOMENTS[1], MOMENTS[1], 1, "a")], MOMENTS[2], pushed=pushed).values()

    assert entry[ORIGIN] == origin


# ---------------------------------------------------------------- pushes


def pushes_of(rows: list[Row]) -> list[tuple[bytes, bytes]]:
    """Each row as a push of its own, with a tag that sorts as they arrived; an entry keeps all, as at the beginning."""
    found = []
    for number, row in enumerate(rows):
        found += [(entry, b"%04d" % number) for entry in entries([row], MOMENTS[0], pushed=True).values()]
    return found


@LAW
@given(rows=st.lists(drawn(["a"]), max_size=6), data=st.data(), now=st.sampled_from(MOMENTS))
def test_pushes_that_arrive_in_any_order_and_twice_say_what_all_rows_say(
    rows: list[Row], data: st.DataObject, now: datetime
) -> None:
    pushes = pushes_of(rows)
    arrived = data.draw(st.permutations(pushes + pushes[:2]))
    stored: bytes | None = None
    for entry, tag in arrived:
        stored = merge_entries(stored, entry, sortable(now), tag)
        assert merge_entries(stored, entry, sortable(now), tag) == stored
        rows_there = stored.split(BETWEEN_ROWS)
        assert len(rows_there) == len(set(rows_there))

    for later in (moment for moment in MOMENTS if moment >= now):
        assert read(stored, later) == said(naive(rows, "a", later))


@LAW
@given(
    published=st.lists(drawn(["a"]), max_size=4), rows=st.lists(drawn(["a"]), max_size=4), now=st.sampled_from(MOMENTS)
)
def test_a_push_never_hides_a_newer_published_row_and_wins_of_equal_clocks(
    published: list[Row], rows: list[Row], now: datetime
) -> None:
    stored = entries(published, now).get(b"ka")
    for entry, tag in pushes_of(rows):
        stored = merge_entries(stored, entry, sortable(now), tag)

    for later in (moment for moment in MOMENTS if moment >= now):
        assert read(stored, later) == said(naive(published + rows, "a", later))


@LAW
@given(
    table=st.lists(drawn(["a"]), max_size=4),
    rows=st.lists(drawn(["a"]), max_size=4),
    data=st.data(),
    now=st.sampled_from(MOMENTS),
)
def test_a_publication_keeps_the_pushed_rows_that_it_does_not_hold_and_no_others(
    table: list[Row], rows: list[Row], data: st.DataObject, now: datetime
) -> None:
    """The first pushes are in the tables that it was made from, the others are not yet."""
    before, held = data.draw(st.integers(0, len(table))), data.draw(st.integers(0, len(rows)))
    stored = entries(table[:before], now).get(b"ka")
    for entry, tag in pushes_of(rows):
        stored = merge_entries(stored, entry, sortable(now), tag)
    published = entries(table + rows[:held], now).get(b"ka")
    kept = None if stored is None else add_pushed_rows(published, stored, lambda tag, _: int(tag) < held, sortable(now))

    for later in (moment for moment in MOMENTS if moment >= now):
        assert read(kept or published, later) == said(naive(table + rows, "a", later))
    if kept is not None:
        assert any(row[ORIGIN] == PUSHED for row in kept.split(BETWEEN_ROWS))
        assert not all(int(tag) < held for _, tag in pushes_of(rows))


def test_whether_a_pushed_row_is_merged_is_asked_with_its_tag_and_event_time() -> None:
    (pushed,) = entries([("a", MOMENTS[3], MOMENTS[4], 1, "a")], MOMENTS[0], pushed=True).values()
    stored, asked = merge_entries(None, pushed, sortable(MOMENTS[5]), b"tag"), []

    def is_merged(tag: bytes, event: int) -> bool:
        asked.append((tag, event))
        return True

    assert add_pushed_rows(None, stored, is_merged, sortable(MOMENTS[5])) is None
    assert asked == [(b"tag", 3_000_000)]


def test_rows_ahead_of_the_clock_are_not_read_one_by_one() -> None:
    rows = [b"t" * 27 + b"%018d%018d0d+" % (time, time) + b"x" * (time % 50) for time in range(20_000, 0, -1)]
    entry = BETWEEN_ROWS.join([*rows[:-1], rows[-1][: HEADER - 1] + b"." + rows[-1][HEADER:]])
    for now in (0, 1, 2, 9_999, 20_000, 30_000):
        expected = None if now == 0 else next(row for row in reversed(rows) if int(row[27:45]) == min(now, 20_000))
        found = row_at(entry, b"%018d" % now)
        assert found is None if expected is None else found is not None and found[:45] == expected[:45]

    def seconds(work: Callable[[], object]) -> float:
        return min(timeit.repeat(work, number=1, repeat=5))

    assert seconds(lambda: row_at(entry, b"%018d" % 5)) < seconds(lambda: entry.split(BETWEEN_ROWS)) / 10
