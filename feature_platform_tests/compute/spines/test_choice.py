"""Rows are chosen one by one: a larger share holds the smaller one, and late rows change no choice."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.keys.buckets import stable_hash
from feature_platform.compute.spines.choice import choose_rows, hashable_columns, moment_of_rows
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import MissingColumns, WrongColumnType
from feature_platform_tests.compute.drawn import at, drawn

IDS = st.lists(st.integers(0, 300), min_size=10, max_size=80, unique=True)
SHARES = st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted)


def chosen(ids: list[int], share: float, salt: str = "some") -> list[int]:
    return choose_rows(pl.DataFrame({"id": ids}), share, ["id"], salt)["id"].to_list()


@drawn(100)
@given(IDS, SHARES)
def test_a_larger_share_holds_the_smaller_one(ids: list[int], shares: list[float]) -> None:
    small, large = (chosen(ids, share) for share in shares)

    assert set(small) <= set(large)
    assert small == [each for each in ids if each in set(small)]


@drawn(100)
@given(IDS, IDS, st.floats(0.05, 0.95))
def test_late_rows_add_and_swap_none(first: list[int], late: list[int], share: float) -> None:
    everything = [*first, *(each for each in late if each not in first)]

    assert set(chosen(everything, share)) & set(first) == set(chosen(first, share))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_about_a_share_of_many_rows_is_chosen(share: float) -> None:
    assert abs(len(chosen(list(range(20_000)), share)) / 20_000 - share) < 0.01


def test_the_whole_is_the_whole_and_another_salt_chooses_others() -> None:
    ids = list(range(2_000))
    first, other = (set(chosen(ids, 0.5, salt)) for salt in ("some", "others"))

    assert chosen(ids, 1.0) == ids
    assert 350 < len(first & other) < 650


def test_the_bits_of_values_are_those_that_stored_choices_were_made_by() -> None:
    rows = pl.DataFrame({"a": ["x", None, "", "x"], "b": [1, 1, 0, None], "t": pl.Series([at(0)] * 4, dtype=UTC)})
    found = stable_hash(rows, ["a", "b", "t"], "weekly").to_list()

    assert found == PINNED
    assert len(set(found)) == 4
    narrow = rows.with_columns(pl.col("b").cast(pl.Int8), pl.col("a").cast(pl.Categorical))
    assert stable_hash(narrow, ["a", "b", "t"], "weekly").to_list() == found


PINNED = [8992896198428604484, 9547156006297723299, 8445453934529665303, 3761535265979568661]


def test_a_null_is_no_empty_text_and_no_zero() -> None:
    rows = pl.DataFrame({"a": ["", None], "b": [0, None]})

    assert stable_hash(rows, ["a"])[0] != stable_hash(rows, ["a"])[1]
    assert stable_hash(rows, ["b"])[0] != stable_hash(rows, ["b"])[1]


def test_many_rows_have_the_hashes_of_each_row_alone() -> None:
    rows = pl.DataFrame({"id": range(100_000)})
    found = stable_hash(rows, ["id"], "s")

    assert [stable_hash(rows[[place]], ["id"], "s").item() for place in (0, 40_000, 99_999)] == found.gather(
        [0, 40_000, 99_999]
    ).to_list()


def test_a_row_counts_from_when_it_was_known_and_never_before_it_happened() -> None:
    rows = pl.DataFrame(
        {"at": [at(1), at(1), at(1), None], "known": [at(3), at(0), None, at(0)]}, schema={"at": UTC, "known": UTC}
    )
    moment = moment_of_rows(rows.schema, "at", "known", "Spine `some`")

    assert rows.select(moment).to_series().to_list() == [at(3), at(1), None, None]


def test_columns_that_cannot_be_hashed_are_left_out_or_refused_by_name() -> None:
    rows = pl.DataFrame({"id": [1], "tags": [["a"]]})

    assert hashable_columns(rows.schema) == ["id"]
    with pytest.raises(WrongColumnType, match="tags"):
        choose_rows(rows, 0.5, ["tags"], "some")
    with pytest.raises(MissingColumns, match="customer"):
        choose_rows(rows, 0.5, ["customer"], "some")
