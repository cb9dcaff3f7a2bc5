"""A content hash changes when, and only when, the schema or a value changes."""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.content import RunningHash, content_hash, content_hashes
from feature_platform.errors import WrongColumnType

NAN = float("nan")


def hashed(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> str:
    return content_hash(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)}))


@pytest.mark.parametrize(
    ("frame", "pinned"),
    [
        (pl.DataFrame({"a": [1, 2], "b": [0.0, None]}), "932723183383fecfcdc7145b0c683b3b"),
        (pl.DataFrame({"x": ["é", None, ""]}), "70de69dd12f6ccaa33c3f46089e4473e"),
        (pl.DataFrame({"x": [[1], [], None, [None]]}), "03e0587c47462de2259d91f07091e198"),
        (pl.DataFrame({"x": [{"a": 1, "b": "u"}, None]}), "12f1cb627bf6dfa6c6c6e537485ade4a"),
        (
            pl.DataFrame({"x": [Decimal("1.25"), None]}, schema={"x": pl.Decimal(38, 2)}),
            "490a4c92fb16ff384cae9ad9c1349dbc",
        ),
        (pl.DataFrame({"x": [dt.datetime(2013, 1, 1, tzinfo=dt.UTC)]}), "6e4cda4f5daa1226b2081416eefd61e2"),
        (pl.DataFrame({"x": [True, None, False]}), "447de49559b0ee0f91c0a18a6741820e"),
    ],
)
def test_a_hash_is_the_same_in_every_release(frame: pl.DataFrame, pinned: str) -> None:
    assert content_hash(frame) == pinned


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), (2, 1)),
        ((1, None), (1, 0)),
        ((None, 1), (1, None)),
        (("ab", "c"), ("a", "bc")),
        (("",), (None,)),
        (([1], [2, 3]), ([1, 2], [3])),
        (([],), (None,)),
        (([None],), ([],)),
        (({"a": None},), (None,)),
        ((1.0, NAN), (1.0, None)),
        ((True, False), (False, True)),
        ((b"a",), (b"b",)),
        ((Decimal("1.25"),), (Decimal("-1.25"),)),
    ],
)
def test_different_values_differ(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert hashed(*one) != hashed(*other)


def test_types_units_zones_and_names_count() -> None:
    dtypes: list[pl.DataType | type[pl.DataType]] = [
        pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Datetime("ms", "UTC"), pl.Duration("us"), pl.Int64, pl.Int32,
        pl.Float64, pl.Float32, pl.Boolean, pl.Null, pl.UInt64, pl.Decimal(10, 2), pl.Decimal(10, 3),
    ]  # fmt: skip
    frames = [pl.DataFrame({"x": [None]}, schema=pl.Schema([("x", dtype)])) for dtype in dtypes]
    hashes = {content_hash(frame) for frame in [*frames, pl.DataFrame({"y": [None]}), pl.DataFrame({"x": []})]}
    assert len(hashes) == len(frames) + 2


def test_values_that_mean_the_same_hash_alike() -> None:
    quiet, negative = NAN, -NAN
    assert hashed(0.0, quiet) == hashed(-0.0, negative)
    assert hashed("a", None) == hashed("a", None, dtype=pl.Categorical) == hashed("a", None, dtype=pl.Enum(["z", "a"]))
    assert hashed([1, 2], dtype=pl.List(pl.Int64)) == hashed([1, 2], dtype=pl.Array(pl.Int64, 2))


def test_what_lies_below_a_null_does_not_count() -> None:
    frame = pl.DataFrame({"x": [1.5, 2.5], "there": [True, False]})
    masked = frame.select(pl.when("there").then("x"))
    assert content_hash(masked) == content_hash(pl.DataFrame({"x": [1.5, None]}))
    structs = pl.DataFrame({"x": [{"a": 1}, {"a": 2}], "there": [True, False]}).select(pl.when("there").then("x"))
    assert content_hash(structs) == content_hash(pl.DataFrame({"x": [{"a": 1}, None]}))


def test_objects_are_refused() -> None:
    with pytest.raises(WrongColumnType, match="`x` is Object"):
        content_hash(pl.DataFrame({"x": [object()]}, schema={"x": pl.Object}))


VALUES = st.one_of(st.none(), st.integers(-3, 3))
FRAMES = st.lists(
    st.tuples(
        st.sampled_from("abc"), VALUES, st.one_of(st.none(), st.floats()), st.one_of(st.none(),
        st.text(max_size=3)), st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=2)),
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


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.data())
def test_chunks_and_column_order_never_change_a_hash(rows: list[tuple[object, ...]], data: st.DataObject) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    cut = data.draw(st.integers(0, frame.height))
    chunked = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    assert content_hash(chunked.select(data.draw(st.permutations(frame.columns)))) == content_hash(frame)


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.lists(st.integers(0, 8), max_size=4))
def test_the_batches_in_which_rows_arrive_never_change_a_hash(rows: list[tuple[object, ...]], cuts: list[int]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(
        n=pl.struct("f", pl.struct("s", "l").alias("inner")),
        d=pl.col("i").cast(pl.Decimal(38, 2)),
        c=pl.col("s").cast(pl.Categorical),
        ll=pl.concat_list(pl.struct("l", "i"), pl.struct("l", "i")),
    )
    edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    running = RunningHash(frame.schema)
    for start, stop in pairwise(edges):
        running.update(frame[start:stop])
    assert running.hexdigest() == content_hash(frame)


def test_a_large_frame_hashes_as_its_batches_do() -> None:
    """Above a size the columns are hashed in threads."""
    frame = pl.select(pl.int_range(250_000).alias("x")).with_columns(
        y=pl.when(pl.col("x") % 1000 > 0).then(pl.col("x") / 7), z=pl.col("x").cast(pl.String)
    )
    running = RunningHash(frame.schema)
    for batch in frame.iter_slices(60_001):
        running.update(batch)
    assert running.hexdigest() == content_hash(frame)


@settings(max_examples=60, deadline=None)
@given(FRAMES)
def test_frames_hash_together_as_each_does_alone(rows: list[tuple[object, ...]]) -> None:
    frames = pl.DataFrame(rows, schema=SCHEMA, orient="row").partition_by("p", maintain_order=True)
    assert content_hashes(frames) == [content_hash(frame) for frame in frames]


@settings(max_examples=60, deadline=None)
@given(FRAMES, FRAMES)
def test_equal_hashes_mean_equal_frames(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> None:
    left, right = (pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in (one, other))
    assert (content_hash(left) == content_hash(right)) == left.equals(right)
