"""The watches of keys: those that are there twice, and those that nobody knows."""

import numpy as np
import pytest

from feature_platform.compute.watches import DuplicateKeys, UnknownKeys
from feature_platform_tests.compute.watches.world import looked, only, table
from feature_platform_tests.effort import repetitions


def duplicates(before, now, rows=1000):
    return only(DuplicateKeys(), [table(at, duplicates=each) for at, each in enumerate(before)], [table(20, rows, now)])


def test_any_duplicate_is_wrong_where_there_never_was_one():
    one, many = duplicates([0] * 6, 1), duplicates([0] * 6, 10)
    assert (one.wrong, one.severity) == (True, "warning")
    assert (many.wrong, many.severity) == (True, "critical")
    assert many.evidence == ("10 of 1,000 rows have the identity of another (1%), where none of 6 partitions had any.")
    assert duplicates([0] * 6, 0).wrong is False


def test_a_source_that_always_has_some_cries_for_many_more_only():
    assert duplicates([20, 25, 30, 22, 18], 40).wrong is False
    more = duplicates([20, 25, 30, 22, 18], 100)
    assert (more.wrong, more.severity) == (True, "warning")
    assert duplicates([0, 0, 0, 1, 0, 0], 3).wrong is False  # of few, three are chance
    assert duplicates([0, 0, 0, 1, 0, 0], 30).wrong is True


def test_more_than_ever_by_less_than_twice_is_no_news_however_certain():
    assert duplicates([200, 250, 220, 210, 240], 450).wrong is False
    assert duplicates([200, 250, 220, 210, 240], 550).wrong is True


def test_partitions_of_other_sizes_are_compared_by_share():
    assert duplicates([20, 25, 30, 22, 18], 250, rows=10_000).wrong is False


def test_nobody_looked_for_duplicates_or_there_is_too_little():
    assert duplicates([0] * 4, 500).wrong is None
    assert duplicates([None] * 8, 500).wrong is None
    assert duplicates([0] * 8, 0, rows=0).wrong is None
    assert DuplicateKeys().look(looked([table(0)], [table(20, duplicates=None)])) == []


def test_a_source_with_a_duplicate_now_and_then_hardly_ever_cries():
    """The very first of its life is told; of the hundreds or thousands of partitions after it none is."""
    rng, cried = np.random.default_rng(11), 0
    for _ in repetitions(100):
        found = [1, *rng.poisson(0.7, 40).tolist()]
        cried += sum(bool(duplicates(found[:at], found[at]).wrong) for at in range(5, 41))
    assert cried == 0


def keys(at, values):
    return table(at, rows=len(values), keys=values)


def unknown(history, values, seasonal=False, at=None):
    return only(UnknownKeys(), history, [keys(len(history) if at is None else at, values)], seasonal)


KNOWN = [keys(at, [f"k{each}" for each in range(at, 400 + at)]) for at in range(10)]


def test_keys_that_nobody_knows_are_wrong_when_there_are_many():
    sight = unknown(KNOWN, [f"k{each}" for each in range(200)] + [f"x{each}" for each in range(200)])
    assert (sight.wrong, sight.severity) == (True, "warning")
    assert sight.score == 0.5
    assert sight.evidence == ("About 50% of the keys are in no earlier partition, where at most 0.25% is usual.")
    assert unknown(KNOWN, [f"k{each}" for each in range(10, 410)]).wrong is False


def test_a_few_new_keys_are_no_news():
    assert unknown(KNOWN, [f"k{each}" for each in range(360)] + [f"x{each}" for each in range(15)]).wrong is False


@pytest.mark.parametrize("new", [0, 20, 200, 400])
def test_keys_that_grow_steadily_never_cry(new):
    """Each day has all keys so far and some that the days after it have, too."""
    days = [keys(at, range(400 + new * at)) for at in range(20)]
    for at in range(5, 20):
        assert not unknown(days[:at], range(400 + new * at)).wrong


def test_keys_that_are_new_every_day_never_cry():
    days = [keys(at, range(1000 * at, 1000 * at + 500)) for at in range(10)]
    assert unknown(days, range(10**6, 10**6 + 500)).wrong is False


def test_many_more_keys_than_a_sketch_holds_are_compared_by_the_part_of_them_that_both_know():
    days = [keys(at, range(20_000)) for at in range(8)]
    assert unknown(days, range(20_000)).wrong is False
    half = unknown(days, range(10_000, 30_000))
    assert half.wrong is True
    assert half.score == pytest.approx(0.5, abs=0.06)


def test_few_keys_beside_very_many_cannot_be_told():
    days = [keys(at, range(300_000)) for at in range(6)]
    assert unknown(days, range(10**6, 10**6 + 100)).wrong is None


def test_keys_of_a_first_weekend_are_not_held_against_weekdays():
    weekend = [f"w{each}" for each in range(400)]
    assert unknown(KNOWN[:5], weekend, seasonal=True).wrong is None
    assert unknown([*KNOWN[:5], keys(5, weekend), keys(6, weekend)], weekend, seasonal=True, at=12).wrong is False


def test_tables_without_keys_and_short_histories_are_not_judged():
    assert UnknownKeys().look(looked(KNOWN, [table(20)])) == []
    assert UnknownKeys().look(looked(KNOWN, [table(20, keys=[])])) == []
    assert unknown(KNOWN[:4], ["x"] * 100).wrong is None
    assert unknown([table(at) for at in range(10)], range(400)).wrong is None
