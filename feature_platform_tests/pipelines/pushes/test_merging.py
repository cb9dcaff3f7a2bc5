"""Merged pushes are values: rows that a source accepts, and pushed ones that it refuses."""

from collections.abc import Iterator

import polars as pl
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.pipelines.pushes.merging import SourcePart, join_parts, merge_pushes
from feature_platform_tests.shop import Order, at, daily, orders, source

POSITIVE = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)
ORDERS = source(daily(2), expectations=[POSITIVE])
GOOD, BAD = ("eve", at(1, 3), 5.0), ("eve", at(1, 4), -5.0)


def pushed(*rows: Order) -> pl.DataFrame:
    origins = [("spool", 0, place, at(2)) for place in range(len(rows))]
    return orders(*rows).hstack(pl.DataFrame(origins, schema=ORIGIN, orient="row"))


def test_a_part_has_the_rows_that_are_accepted_and_those_that_are_refused() -> None:
    *delivered, last = merge_pushes(ORDERS, [daily(1), daily(2)], pushed(GOOD, BAD, *daily(1).rows()), None)
    assert [part.refused for part in delivered] == [(), ()]
    assert_frame_equal(delivered[0].accepted, daily(1))
    assert_frame_equal(delivered[1].accepted, daily(2))
    assert_frame_equal(last.accepted, orders(GOOD))
    [refused] = last.refused
    assert_frame_equal(refused.select(daily().columns), orders(BAD))
    assert refused["expectation"].to_list() == [POSITIVE.check_name]


def test_batches_are_made_one_after_the_other() -> None:
    made: list[int] = []

    def batches() -> Iterator[pl.DataFrame]:
        for days in (1, 2, 3):
            made.append(days)
            yield daily(days)

    parts = merge_pushes(ORDERS, batches(), pushed(GOOD), None)
    assert [made.copy() for _ in parts] == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]


def test_joined_parts_keep_what_each_refuses() -> None:
    one, other = SourcePart(daily(1), (orders(BAD),)), SourcePart(orders(GOOD), (orders(BAD), orders(GOOD)))
    joined = join_parts([one, other])
    assert_frame_equal(joined.accepted, pl.concat([daily(1), orders(GOOD)]))
    assert len(joined.refused) == 3
