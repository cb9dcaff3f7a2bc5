"""A content hash changes when, and only when, the schema or a value changes."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.content import content_hash, partition_hashes
from feature_platform.errors import WrongColumnType

NAN = float("nan")


def hashed(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> str:
    return content_hash(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)}))


@pytest.mark.parametrize(
    ("frame", "pinned"),
    [
        (pl.DataFrame({"a": [1, 2], "b": [0.0, None]}), "d3842a9d40808eb3e368e466d16507b5"),
        (pl.DataFrame({"x": ["é", None, ""]}), "cde9b19cfc7a84fa833f8d7ab4be7731"),
        (pl.DataFrame({"x": [[1], [], None, [None]]}), "5e3e5951b90611171c830e3e60f5eed3"),
        (pl.DataFrame({"x": [{"a": 1, "b": "u"}, None]}), "6d151fa68ea56defa99bbc30b1bc8082"),
        (
            pl.DataFrame({"x": [Decimal("1.25"), None]}, schema={"x": pl.Decimal(38, 2)}),
            "45256df64abdabfb6ec7140dba4a6b8e",
        ),
        (pl.DataFrame({"x": [dt.datetime(2013, 1, 1, tzinfo=dt.UTC)]}), "78130e86c338684f6e6b0672a880d6f2"),
        (pl.DataFrame({"x": [True, None, False]}), "6f673c6cddc2e2a1a572bc1214a08b8d"),
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
@given(FRAMES)
def test_a_partition_hashes_as_its_rows_do_alone(rows: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    alone = {key: content_hash(part.drop("p")) for (key,), part in frame.group_by("p", maintain_order=True)}
    assert partition_hashes(frame, "p") == alone


@settings(max_examples=60, deadline=None)
@given(FRAMES, FRAMES)
def test_equal_hashes_mean_equal_frames(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> None:
    left, right = (pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in (one, other))
    assert (content_hash(left) == content_hash(right)) == left.equals(right)
