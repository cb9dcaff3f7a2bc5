"""Entity buckets: equal keys together, whatever holds them, in literal buckets that never change."""

import math
from datetime import UTC as ZONE
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.keys.buckets import MOST_BUCKETS, bucket_of, buckets_for
from feature_platform.compute.keys.join_keys import shared_types
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, WrongColumnType
from feature_platform_tests.compute.drawn import DRAWN

UTC = pl.Datetime("us", "UTC")


def buckets(values, dtype=None, count=MOST_BUCKETS):
    return bucket_of(pl.DataFrame({"k": pl.Series(values, dtype=dtype)}), ["k"], count).to_list()


PINNED = [
    ([0, 1, -1, 2**40, None], pl.Int64, [57888, 58585, 56842, 32450, 0]),
    ([2**64 - 1], pl.UInt64, [56842]),
    ([2**100, -1], pl.Int128, [7205, 56842]),
    (["", "a", "UA", "航空", "customer-12345678", None], pl.String, [919, 65391, 55238, 33246, 61809, 0]),
    ([b"", b"\x00\xff"], pl.Binary, [919, 35161]),
    ([0.0, 0.5, math.nan, -math.inf], pl.Float64, [57888, 47291, 0, 60784]),
    ([False, True], pl.Boolean, [57888, 58585]),
    ([date(2013, 3, 1)], pl.Date, [8721]),
    ([datetime(2013, 3, 1, tzinfo=ZONE)], UTC, [27338]),
    ([timedelta(days=1)], pl.Duration("us"), [54890]),
    ([time(12)], pl.Time, [14284]),
    ([Decimal("1.50")], pl.Decimal(10, 2), [37001]),
]
COMPOSITE = [29877, 62141, 0, 0]


@pytest.mark.parametrize(("values", "dtype", "wanted"), PINNED, ids=lambda each: str(each)[:30])
def test_the_bucket_of_a_key_never_changes_between_releases(values, dtype, wanted):
    assert buckets(values, dtype) == wanted


def test_the_bucket_of_a_composite_key_never_changes_between_releases():
    keys = pl.DataFrame({"a": ["UA", "UA", None, "AA"], "b": [1, 2, 1, None]})
    assert bucket_of(keys, ["a", "b"], MOST_BUCKETS).to_list() == COMPOSITE
    assert bucket_of(keys, ["b", "a"], MOST_BUCKETS).to_list() != COMPOSITE


@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        ([pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128], [-3, 0, 7, None]),
        ([pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128, pl.Int64, pl.Int128], [0, 7, 255, None]),
        ([pl.UInt64, pl.UInt128, pl.Int128], [2**64 - 1, 2**63]),
        ([pl.String, pl.Categorical, pl.Enum(["b", "é", ""])], ["é", "b", "", None]),
        ([pl.Float32, pl.Float64], [0.5, -0.0, math.nan, math.inf, None]),
    ],
)
def test_equal_keys_of_different_types_have_one_bucket(kinds, values):
    found = {tuple(buckets(values, kind)) for kind in kinds}
    assert len(found) == 1


def test_nan_is_no_key_and_both_zeros_are_one():
    first, second, zero, minus = buckets(pl.Series([math.nan, -math.nan, 0.0, -0.0]))
    assert first == second == 0
    assert zero == minus


def test_a_key_with_a_null_in_any_part_is_in_the_first_bucket():
    keys = pl.DataFrame({"a": ["UA", None, None], "b": [None, 1, None]})
    assert bucket_of(keys, ["a", "b"], 1000).to_list() == [0, 0, 0]
    assert buckets([None], pl.Null) == [0]


@DRAWN
@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=30), st.integers(1, 300))
def test_the_bucket_of_a_text_is_of_its_bytes_alone(texts, count):
    """Definition: words of eight bytes, mixed with their places, added up."""
    assert buckets(texts, pl.String, count) == [naive_bucket(naive_text(each), count) for each in texts]


@DRAWN
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=30), st.integers(1, MOST_BUCKETS))
def test_the_bucket_of_a_number_is_splitmix64_of_it(numbers, count):
    wanted = [naive_bucket(None if each is None else each % 2**64, count) for each in numbers]
    assert buckets(numbers, pl.Int64, count) == wanted


def naive_mixed(bits):
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
    return bits ^ bits >> 31


def naive_text(text):
    if text is None:
        return None
    data = text.encode()
    padded = data + bytes(-len(data) % 8 + 8)
    words = [int.from_bytes(padded[start : start + 8], "little") for start in range(0, len(padded), 8)]
    mixed = (naive_mixed((word + place * 0x9E3779B97F4A7C15) % 2**64) for place, word in enumerate(words, start=1))
    return (sum(mixed) + len(data)) % 2**64


def naive_bucket(bits, count):
    return 0 if bits is None else (naive_mixed(0x9E3779B97F4A7C15 ^ bits) >> 32) * count >> 32


@DRAWN
@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.sampled_from("ab")), max_size=40), st.integers(1, 9))
def test_every_row_has_one_of_the_buckets_and_equal_keys_have_the_same(texts, count):
    frame = pl.DataFrame({"k": pl.Series(texts, dtype=pl.String)})
    bucket = bucket_of(frame, ["k"], count)
    assert len(bucket) == frame.height
    assert bucket.is_between(0, count - 1).all()
    assert frame.with_columns(bucket).n_unique() == frame["k"].n_unique()


@pytest.mark.parametrize(
    "keys",
    [
        pl.int_range(100_000, eager=True),
        pl.int_range(100_000, eager=True) * 1_000_000,
        (pl.int_range(100_000, eager=True) * 86_400_000_000).cast(UTC),
        pl.int_range(100_000, eager=True).cast(pl.Float64),
        pl.int_range(100_000, eager=True).cast(pl.String),
        "customer-" + pl.int_range(100_000, eager=True).cast(pl.String) + "-of-the-shop",
    ],
    ids=["numbers", "multiples", "days", "floats", "digits", "names"],
)
@pytest.mark.parametrize("count", [64, 100])
def test_keys_spread_evenly(keys, count):
    sizes = pl.Series(buckets(keys, count=count)).value_counts()["count"]
    mean = 100_000 / count
    assert sizes.len() == count
    assert sizes.min() > mean - 5 * mean**0.5
    assert sizes.max() < mean + 5 * mean**0.5


def test_a_bucket_is_two_buckets_of_twice_as_many():
    keys = pl.int_range(1000, eager=True)
    assert [each // 2 for each in buckets(keys, count=64)] == buckets(keys, count=32)


def test_the_keys_of_two_frames_meet_in_their_shared_types():
    left, right = pl.DataFrame({"k": [7]}, schema={"k": pl.Int8}), pl.DataFrame({"k": [7]}, schema={"k": pl.UInt64})
    types = shared_types(left.schema, right.schema, ["k"], "test")
    assert bucket_of(left, ["k"], 999, types).equals(bucket_of(right, ["k"], 999, types))


def test_mistakes_are_named():
    frame = pl.DataFrame({"k": [[1]], "n": [1]})
    with pytest.raises(MissingColumns, match="`x`"):
        bucket_of(frame, ["x"], 2)
    with pytest.raises(WrongColumnType, match="`k`"):
        bucket_of(frame, ["k"], 2)
    for on, count in ((["n"], 0), (["n"], MOST_BUCKETS + 1), ([], 2)):
        with pytest.raises(InvalidDeclaration, match="Entity buckets"):
            bucket_of(frame, on, count)


@pytest.mark.parametrize(
    ("rows", "width", "budget", "wanted"),
    [(0, 8, 100, 1), (10, 10, 100, 1), (11, 10, 100, 2), (50, 10, 100, 8), (1, 2**60, 1, 65_536), (5, 5, 0, 32)],
)
def test_there_are_as_many_buckets_as_a_budget_asks_for(rows, width, budget, wanted):
    assert buckets_for(rows, width, budget) == wanted
