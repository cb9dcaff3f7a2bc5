"""Keys to ask about: chosen by a seed, put together into rows; and stored keys read back into values."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.keys.samples import combine_keys, make_up_keys, make_up_request, sample_by_hash
from feature_platform.compute.serving.keys import decode_keys, encode_keys, key_expr, typed_parts
from feature_platform.ground.errors import InvalidKey
from feature_platform_tests.effort import tries


def test_a_sample_depends_on_the_seed_and_not_on_the_order_of_the_keys() -> None:
    keys = pl.DataFrame({"id": range(1_000)})

    one, same = sample_by_hash(keys.lazy(), 50, 1), sample_by_hash(keys.reverse().lazy(), 50, 1)

    assert one.sort("id").equals(same.sort("id"))
    assert one.height == 50
    assert not one.sort("id").equals(sample_by_hash(keys.lazy(), 50, 2).sort("id"))


def test_every_entity_gets_rows_with_its_own_keys_and_keys_of_the_others_beside_them() -> None:
    blocks = {
        ("origin", "dest"): pl.DataFrame({"origin": ["EWR", "JFK"], "dest": ["ATL", "MCO"]}),
        ("carrier",): pl.DataFrame({"carrier": ["UA", "AA", "B6"]}),
    }
    types = {"carrier": pl.String(), "origin": pl.String(), "dest": pl.String()}

    rows = combine_keys(blocks, types, 0)

    assert rows.columns == ["carrier", "origin", "dest"]
    assert rows.null_count().sum_horizontal().item() == 0
    assert rows["carrier"].unique().sort().to_list() == ["AA", "B6", "UA"]
    pairs = set(rows.select("origin", "dest").iter_rows())
    assert pairs == {("EWR", "ATL"), ("JFK", "MCO")}


def test_an_entity_without_keys_leaves_nulls() -> None:
    blocks: dict[tuple[str, ...], pl.DataFrame] = {
        ("a",): pl.DataFrame({"a": [1]}),
        ("b",): pl.DataFrame({"b": []}, schema={"b": pl.Int64}),
    }

    assert combine_keys(blocks, {"a": pl.Int64(), "b": pl.Int64()}, 0).rows() == [(1, None)]


@pytest.mark.parametrize("dtype", [pl.String(), pl.Int8(), pl.UInt64(), pl.Float64(), pl.Date(), pl.Boolean()])
def test_made_up_keys_and_fields_are_of_their_type(dtype: pl.DataType) -> None:
    assert make_up_keys({"k": dtype}).schema == {"k": dtype}
    assert make_up_keys({"k": dtype})["k"].to_list()[-1] is None
    (field,) = make_up_request({"f": dtype}, {}, 10)
    assert (field.dtype, field.len(), field[0]) == (dtype, 10, None)


def test_made_up_fields_have_the_length_of_an_array_and_the_fields_of_a_struct() -> None:
    dtype = pl.Struct({"query": pl.Array(pl.Float32, 2), "words": pl.List(pl.String)})
    (field,) = make_up_request({"f": dtype}, {}, 3)
    assert field.dtype == dtype
    assert field.to_list() == [
        None,
        {"query": [1.5, 3.0], "words": ["text 1"]},
        {"query": [3.0, 4.5], "words": ["text 2", "text 3"]},
    ]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["", "\x00", "\x01", "a\x00\x01b", "\x00\x02"]
)
PARTS = {
    "text": (pl.String(), TEXTS),
    "whole": (pl.Int16(), st.integers(-(2**15), 2**15 - 1)),
    "large": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "day": (pl.Date(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "flag": (pl.Boolean(), st.booleans()),
    "at": (
        pl.Datetime("us", "UTC"),
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    ),
}


@settings(derandomize=True, deadline=None, max_examples=tries(60))
@given(data=st.data())
def test_keys_are_read_back_as_they_were(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=3, unique=True))
    types = {name: PARTS[name][0] for name in names}
    rows = data.draw(st.lists(st.tuples(*(PARTS[name][1] for name in names)), min_size=1, max_size=5, unique=True))
    frame = pl.DataFrame(rows, schema=types, orient="row")

    keys = encode_keys(types, [frame[name].to_list() for name in names])

    assert_frame_equal(decode_keys(types, [key for key in keys if key]), frame)
    assert_frame_equal(decode_keys(types, frame.select(key_expr(types)).to_series().to_list()), frame)


def test_keys_kept_by_their_hash_are_left_out() -> None:
    keys = encode_keys({"k": pl.String()}, [["x" * 500, "short"]])

    assert decode_keys({"k": pl.String()}, [key for key in keys if key]).rows() == [("short",)]


def test_logged_keys_are_coerced_as_a_request_is() -> None:
    types = {"id": pl.Int32(), "name": pl.String()}

    found = typed_parts(types, {"id": ["7", 7.0, None], "name": [1, "a", None]}, "The log")

    assert [each.to_list() for each in found] == [[7, 7, None], ["1", "a", None]]
    with pytest.raises(InvalidKey, match="The log: join key `id` of entity row 0"):
        typed_parts(types, {"id": ["x"], "name": ["a"]}, "The log")
