"""A hash changes when, and only when, the schema or a value changes; the order of rows counts for one of the two."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.ground.content import RunningOrderedHash, RunningRowsHash, ordered_hash, rows_hash, rows_hashes
from feature_platform.ground.content.rows import _lanes_of
from feature_platform.ground.errors import WrongColumnType
from feature_platform_tests.effort import tries

NAN = float("nan")
Hash = Callable[[pl.DataFrame], str]
EACH_HASH = pytest.mark.parametrize("hash_of", [ordered_hash, rows_hash])


def frame_of(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> pl.DataFrame:
    return pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)})


@pytest.mark.parametrize(
    ("frame", "ordered", "rows"),
    [
        (
            pl.DataFrame({"a": [1, 2], "b": [0.0, None]}),
            "932723183383fecfcdc7145b0c683b3b",
            "3:add929579ee2090727010303e15096b0",
        ),
        (
            pl.DataFrame({"x": ["é", None, ""]}),
            "70de69dd12f6ccaa33c3f46089e4473e",
            "3:702d9672e5a8d69a5f49081a2d5cb411",
        ),
        (
            pl.DataFrame({"x": ["a" * 2000, "nine byte", "seventeen bytes !"]}),
            "1877580ac5415e2880cf27301bf1481a",
            "3:123f32d76c5ee79226b7d9b069cbc715",
        ),
        (
            pl.DataFrame({"x": [[1], [], None, [None]]}),
            "03e0587c47462de2259d91f07091e198",
            "3:f548cda1e6f158fa8132bbcde12668d1",
        ),
        (
            pl.DataFrame({"x": [{"a": 1, "b": "u"}, None]}),
            "12f1cb627bf6dfa6c6c6e537485ade4a",
            "3:320dfc28311ee5c37f1c7d74ee4d6630",
        ),
        (
            pl.DataFrame({"x": [Decimal("1.25"), None]}, schema={"x": pl.Decimal(38, 2)}),
            "490a4c92fb16ff384cae9ad9c1349dbc",
            "3:aeddc5025374c28d5ead0e6815e8f778",
        ),
        (
            pl.DataFrame({"x": [dt.datetime(2013, 1, 1, tzinfo=dt.UTC)]}),
            "6e4cda4f5daa1226b2081416eefd61e2",
            "3:bb20d3ac840ec73c291b6b30a6bebc98",
        ),
        (
            pl.DataFrame({"x": [True, None, False]}),
            "447de49559b0ee0f91c0a18a6741820e",
            "3:09cbf3673d6f428eb73cd84dd5b1b1e3",
        ),
        (
            pl.DataFrame({"x": pl.Series([1.5, -2.0, NAN], dtype=pl.Float32)}),
            "a38fe254932e714ac5de1e3984cd585f",
            "3:cbf387825554d1575701ff0a97c2bd62",
        ),
    ],
)
def test_a_hash_is_the_same_in_every_release(frame: pl.DataFrame, ordered: str, rows: str) -> None:
    assert (ordered_hash(frame), rows_hash(frame)) == (ordered, rows)


@EACH_HASH
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, None), (1, 0)),
        ((None,), (None, None)),
        ((1, 1), (1,)),
        ((1, 1, 2), (1, 2, 2)),
        (("ab", "c"), ("a", "bc")),
        (("",), (None,)),
        (("a",), ("a\0",)),
        (("12345678",), ("12345678\0",)),
        (("a" * 1024,), ("a" * 1025,)),
        (("a" * 1030,), ("a" * 1029 + "b",)),
        (([1], [2, 3]), ([1, 2], [3])),
        (([1, 2],), ([2, 1],)),
        (([],), (None,)),
        (([None],), ([],)),
        (([[1], []],), ([[], [1]],)),
        (({"a": None},), (None,)),
        ((1.0, NAN), (1.0, None)),
        ((True, True), (False, True)),
        ((b"a",), (b"b",)),
        ((Decimal("1.25"),), (Decimal("-1.25"),)),
        ((2**62,), (2**62 + 1,)),
        ((1e300,), (-1e300,)),
    ],
)
def test_different_values_differ(one: tuple[object, ...], other: tuple[object, ...], hash_of: Hash) -> None:
    assert hash_of(frame_of(*one)) != hash_of(frame_of(*other))


@pytest.mark.parametrize("values", [(1, 2), (None, 1), (True, False), ("a", "b"), ([1], [2, 3])])
def test_the_order_of_rows_counts_for_one_of_the_hashes_only(values: tuple[object, ...]) -> None:
    frame = frame_of(*values)
    assert rows_hash(frame) == rows_hash(frame.reverse())
    assert ordered_hash(frame) != ordered_hash(frame.reverse())


def test_rows_count_as_wholes_not_column_by_column() -> None:
    one = pl.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    assert rows_hash(one) != rows_hash(one.with_columns(pl.col("y").reverse()))


@EACH_HASH
def test_types_units_zones_and_names_count(hash_of: Hash) -> None:
    dtypes: list[pl.DataType | type[pl.DataType]] = [
        pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Datetime("ms", "UTC"), pl.Duration("us"), pl.Int64, pl.Int32,
        pl.Float64, pl.Float32, pl.Boolean, pl.Null, pl.UInt64, pl.Decimal(10, 2), pl.Decimal(10, 3),
    ]  # fmt: skip
    frames = [pl.DataFrame({"x": [None]}, schema=pl.Schema([("x", dtype)])) for dtype in dtypes]
    hashes = {hash_of(frame) for frame in [*frames, pl.DataFrame({"y": [None]}), pl.DataFrame({"x": []})]}
    assert len(hashes) == len(frames) + 2


@EACH_HASH
def test_values_that_mean_the_same_hash_alike(hash_of: Hash) -> None:
    quiet, negative = NAN, -NAN
    assert hash_of(frame_of(0.0, quiet)) == hash_of(frame_of(-0.0, negative))
    categories = [frame_of("a", None, dtype=dtype) for dtype in (pl.String, pl.Categorical, pl.Enum(["z", "a"]))]
    assert len({hash_of(frame) for frame in categories}) == 1
    lists = [frame_of([1, 2], dtype=dtype) for dtype in (pl.List(pl.Int64), pl.Array(pl.Int64, 2))]
    assert len({hash_of(frame) for frame in lists}) == 1


@EACH_HASH
def test_what_lies_below_a_null_does_not_count(hash_of: Hash) -> None:
    frame = pl.DataFrame({"x": [1.5, 2.5], "there": [True, False]})
    masked = frame.select(pl.when("there").then("x"))
    assert hash_of(masked) == hash_of(pl.DataFrame({"x": [1.5, None]}))
    structs = pl.DataFrame({"x": [{"a": 1}, {"a": 2}], "there": [True, False]}).select(pl.when("there").then("x"))
    assert hash_of(structs) == hash_of(pl.DataFrame({"x": [{"a": 1}, None]}))


@EACH_HASH
def test_objects_are_refused(hash_of: Hash) -> None:
    with pytest.raises(WrongColumnType, match="`x` is Object"):
        hash_of(pl.DataFrame({"x": [object()]}, schema={"x": pl.Object}))


def test_no_two_of_many_rows_of_small_numbers_collide() -> None:
    """What a careless mixing of words would confuse: few bits that differ, in neighbouring columns."""
    places = pl.select(pl.int_range(1 << 18).alias("n"))["n"]
    digits = {f"c{number}": (places // 4**number) % 4 for number in range(9)}
    whole = pl.DataFrame(digits)
    floats = whole.select(pl.all().cast(pl.Float64))
    flags = pl.DataFrame({f"c{number:02}": (places // 2**number) % 2 == 1 for number in range(18)})
    for frame in (whole, floats, flags):
        words = pl.DataFrame(dict(zip("ab", _lanes_of(frame).words, strict=True)))
        assert words.n_unique() == frame.height
        assert all(words[lane].n_unique() > frame.height - 3 for lane in words.columns)


VALUES = st.one_of(st.none(), st.integers(-3, 3))
FRAMES = st.lists(
    st.tuples(
        st.sampled_from("abc"), VALUES, st.one_of(st.none(), st.floats()), st.one_of(st.none(),
        st.text(max_size=12)), st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=2)),
        max_size=3)),
    ),
    max_size=8,
)  # fmt: skip
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "p": pl.String,
    "i": pl.Int64,
    "f": pl.Float64,
    "s": pl.String,
    "l": pl.List(pl.String),
}


def nested(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    """Rows with columns of every shape."""
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(
        n=pl.struct("f", pl.struct("s", "l").alias("inner")),
        d=pl.col("i").cast(pl.Decimal(38, 2)),
        c=pl.col("s").cast(pl.Categorical),
        ll=pl.concat_list(pl.struct("l", "i"), pl.struct("l", "i")),
    )


@EACH_HASH
@settings(max_examples=tries(60), deadline=None)
@given(rows=FRAMES, data=st.data())
def test_chunks_and_column_order_never_change_a_hash(
    hash_of: Hash, rows: list[tuple[object, ...]], data: st.DataObject
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    cut = data.draw(st.integers(0, frame.height))
    chunked = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    assert hash_of(chunked.select(data.draw(st.permutations(frame.columns)))) == hash_of(frame)


@settings(max_examples=tries(60), deadline=None)
@given(FRAMES, st.lists(st.integers(0, 8), max_size=4), st.randoms(use_true_random=False))
def test_batches_never_change_a_hash_nor_does_order_that_of_rows(rows, cuts, random) -> None:
    frame = nested(rows)
    edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    ordered, unordered = RunningOrderedHash(frame.schema), RunningRowsHash(frame.schema)
    shuffled = frame[random.sample(range(frame.height), frame.height)]
    for start, stop in pairwise(edges):
        ordered.update(frame[start:stop])
        unordered.update(shuffled[start:stop])
    assert ordered.hexdigest() == ordered_hash(frame)
    assert unordered.hexdigest() == rows_hash(frame)


@EACH_HASH
def test_a_large_frame_hashes_as_its_batches_do(hash_of: Hash) -> None:
    """Above a size columns are hashed in threads, and rows many at a time."""
    frame = pl.select(pl.int_range(250_000).alias("x")).with_columns(
        y=pl.when(pl.col("x") % 1000 > 0).then(pl.col("x") / 7), z=pl.col("x").cast(pl.String)
    )
    running = RunningOrderedHash(frame.schema) if hash_of is ordered_hash else RunningRowsHash(frame.schema)
    for batch in frame.iter_slices(60_001):
        running.update(batch)
    assert running.hexdigest() == hash_of(frame)


@settings(max_examples=tries(60), deadline=None)
@given(FRAMES)
def test_frames_hash_together_as_each_does_alone(rows: list[tuple[object, ...]]) -> None:
    frames = nested(rows).partition_by("p", maintain_order=True)
    assert rows_hashes(frames) == [rows_hash(frame) for frame in frames]


@settings(max_examples=tries(60), deadline=None)
@given(FRAMES, FRAMES)
def test_equal_hashes_mean_equal_frames(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> None:
    left, right = (pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in (one, other))
    assert (ordered_hash(left) == ordered_hash(right)) == left.equals(right)
    counted = [frame.group_by(pl.all()).len().sort(pl.all()) for frame in (left, right)]
    assert (rows_hash(left) == rows_hash(right)) == counted[0].equals(counted[1])
