"""Parts, samples and weights: no label reaches from one part into a later one, and no held-out key trains."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.clock import UTC
from feature_platform.training.dividing import keep_sample, part_of_rows
from feature_platform_tests.compute.drawn import at, drawn
from feature_platform_tests.compute.test_drawn import share

pytestmark = pytest.mark.usefixtures("unrecorded")

Row = tuple[str | None, int | None, int | None]
KEYS = st.sampled_from([*"abcdefghijkl", None])
HOURS = st.one_of(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.none())
REACHES = st.one_of(st.integers(0, 6), st.integers(0, 6), st.integers(0, 25), st.none())
ROWS = st.one_of(*(st.lists(st.tuples(KEYS, HOURS, REACHES), min_size=size, max_size=40) for size in (1, 25, 30, 35)))
TESTS, GAPS, HELD = st.integers(25, 45), st.integers(8, 20), st.sampled_from([0.0, 0.7])
Parts = Callable[[fp.Split, pl.DataFrame], list[str | None]]


def split_of(test_from: int, gap: int | None, held_out: float) -> fp.Split:
    first = None if gap is None else at(test_from - gap)
    return fp.Split(test_from=at(test_from), validate_from=first, held_out=held_out, by=["key"] if held_out else [])


def rows_of(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows with the moment of each and from when on its label is known; a reach of None is not final."""
    plain = [(k, None if t is None else at(t), None if t is None or r is None else at(t + r)) for k, t, r in rows]
    return pl.DataFrame(plain, schema={"key": pl.String, "t": UTC, "known": UTC}, orient="row")


def parts_of(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    return (
        rows.lazy().select(part_of_rows(split, "t", pl.col("known"), "churn").alias("part")).collect()["part"].to_list()
    )


def naive(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    """The definition, without held-out keys."""
    found: list[str | None] = []
    first = split.validate_from or split.test_from
    for moment, known in rows.select("t", "known").iter_rows():
        if moment is None:
            found.append(None)
        elif moment >= split.test_from:
            found.append("test")
        elif moment >= first:
            found.append("validation" if known is not None and known <= split.test_from else "embargo")
        else:
            found.append("train" if known is not None and known <= first else "embargo")
    return found


def faults(split: fp.Split, rows: pl.DataFrame, parts: Sequence[str | None]) -> set[str]:
    """What a training set must never be: the property, asked of rows that anything divided."""
    found = set()
    told = rows.with_columns(pl.Series("part", parts, dtype=pl.String))
    order = {"train": 0, "validation": 1, "test": 2}
    used = [(order[part], key, t, known) for key, t, known, part in told.iter_rows() if part in order]
    for early, _, _, known in used:
        if early < 2 and (known is None or any(later > early and t < known for later, _, t, _ in used)):
            found.add("a label reaches into a later part")
        limit = split.train_until if early == 0 else split.test_from
        if early < 2 and known is not None and known > limit:
            found.add("a label reaches past the end of its part")
    hidden = {key for key, _, _, part in told.iter_rows() if part == "held_out"}
    if hidden & {key for early, key, _, _ in used if early < 2}:
        found.add("a held-out key trains")
    if any((part is None) != (t is None) for _, t, _, part in told.iter_rows()):
        found.add("a row has no part")
    return found


@drawn(200)
@given(ROWS, TESTS, st.one_of(st.none(), GAPS), HELD)
def test_each_row_is_in_the_part_of_the_definition(
    rows: list[Row], test_from: int, gap: int | None, held: float
) -> None:
    split, frame = split_of(test_from, gap, held), rows_of(rows)
    parts, wanted = parts_of(split, frame), naive(split, frame)

    assert faults(split, frame, parts) == set()
    assert [
        w if p == "held_out" and w in ("train", "validation") else p for p, w in zip(parts, wanted, strict=True)
    ] == wanted


def test_often_a_label_reaches_into_the_next_part_and_a_key_is_held_out() -> None:
    stories = st.tuples(ROWS, TESTS, GAPS)

    assert share(stories, lambda rows, test, gap: "embargo" in naive(split_of(test, gap, 0), rows_of(rows))) > 0.5
    assert share(stories, lambda rows, test, gap: "held_out" in parts_of(split_of(test, gap, 0.7), rows_of(rows))) > 0.5


def no_embargo(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    return parts_of(split, rows.with_columns(known="t"))


def embargo_of_the_longest(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    """A gap that somebody worked out once, which is too short for some rows."""
    return parts_of(split, rows.with_columns(known=pl.col("t").dt.offset_by("8h")))


def embargo_before_the_test_only(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    whole = fp.Split(test_from=split.test_from)
    first = split.train_until
    parts = zip(parts_of(whole, rows), rows["t"], strict=True)
    return ["validation" if part == "train" and t is not None and t >= first else part for part, t in parts]


def unfinal_labels_train(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    return parts_of(split, rows.with_columns(pl.col("known").fill_null(pl.col("t"))))


def held_out_by_row(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    parts = parts_of(split_without_keys(split), rows)
    return ["held_out" if place % 2 and part == "train" else part for place, part in enumerate(parts)]


def held_out_keys_validate(split: fp.Split, rows: pl.DataFrame) -> list[str | None]:
    parts = zip(parts_of(split, rows), naive(split, rows), strict=True)
    return [plain if plain == "validation" else part for part, plain in parts]


def split_without_keys(split: fp.Split) -> fp.Split:
    return fp.Split(test_from=split.test_from, validate_from=split.validate_from)


MUTANTS: list[Parts] = [
    no_embargo,
    embargo_of_the_longest,
    embargo_before_the_test_only,
    unfinal_labels_train,
    held_out_by_row,
    held_out_keys_validate,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_planted_fault_is_found_by_the_law(mutant: Parts) -> None:
    def is_found(rows: list[Row], test_from: int, gap: int) -> bool:
        split, frame = split_of(test_from, gap, 0.7), rows_of(rows)
        return bool(faults(split, frame, mutant(split, frame)))

    assert share(st.tuples(ROWS, TESTS, GAPS), is_found) >= 0.1


def test_a_label_that_is_known_when_the_next_part_begins_is_in_time() -> None:
    rows = rows_of([("a", 0, 10), ("a", 0, 11), ("a", 10, 10), ("a", 20, 1)])
    parts = parts_of(fp.Split(validate_from=at(10), test_from=at(20)), rows)

    assert parts == ["train", "embargo", "validation", "test"]


@drawn(60)
@given(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted))
def test_a_larger_sample_holds_the_smaller_one_and_keeps_keys_whole(shares: list[float]) -> None:
    rows = pl.LazyFrame({"key": [f"k{number % 500}" for number in range(1_000)]})
    small, large = (
        keep_sample(rows, fp.Sample(each, by=["key"]), "churn").collect()["key"].to_list() for each in shares
    )

    assert set(small) <= set(large)
    assert all(small.count(key) == 2 for key in set(small))


def test_a_sample_and_held_out_keys_do_not_depend_on_one_another() -> None:
    rows = pl.LazyFrame({"key": [f"k{number}" for number in range(2_000)]}).with_columns(
        t=pl.lit(at(0)), known=pl.lit(at(0))
    )
    kept = keep_sample(rows, fp.Sample(0.5, by=["key"]), "churn").collect()
    parts = parts_of(fp.Split(test_from=at(1), held_out=0.5, by=["key"]), kept)

    assert abs(len(kept) / 2_000 - 0.5) < 0.04
    assert abs(parts.count("held_out") / len(kept) - 0.5) < 0.06


@pytest.mark.parametrize(
    ("declare", "sentence"),
    [
        (lambda: fp.Sample(1.5, by=["a"]), "Sample has share=1.5. Give a share above 0 and at most 1, e.g. share=0.1."),
        (lambda: fp.Sample(0.5, by=[]), 'Sample has by=[]. Name the columns of a key: by=["customer"].'),
        (
            lambda: fp.Split(validate_from="2024-06-01", test_from="2024-05-01"),
            (
                "Split validates from 2024-06-01 00:00:00 on and tests from 2024-05-01 00:00:00 on. Validate "
                "before the test."
            ),
        ),
        (
            lambda: fp.Split(test_from="2024-05-01", held_out=1.0, by=["a"]),
            "Split has held_out=1.0. Give a share from 0 to below 1, e.g. held_out=0.1.",
        ),
        (
            lambda: fp.Split(test_from="2024-05-01", held_out=0.1),
            'Split has held_out=0.1 and by=(). Give both: held_out=0.1, by=["customer"], or neither.',
        ),
        (lambda: fp.Split(test_from="soon"), "Split, test_from, is 'soon'."),
        (lambda: fp.Weights.balanced(""), "Weights has column=''."),
    ],
)
def test_a_wrong_word_says_what_would_do(declare: Callable[[], object], sentence: str) -> None:
    with pytest.raises(fp.errors.InvalidDeclaration) as refused:
        declare()

    assert str(refused.value).startswith(sentence)


def test_moments_are_those_of_utc() -> None:
    split = fp.Split(test_from=datetime(2024, 6, 1, tzinfo=at(0).tzinfo) + timedelta(hours=1))

    assert split.train_until.isoformat() == "2024-06-01T01:00:00+00:00"
