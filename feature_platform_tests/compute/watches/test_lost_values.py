"""The watches of columns that lost their values, or all but one."""

import numpy as np
import pytest

from feature_platform.compute.watches import Constant, Dead
from feature_platform_tests.compute.watches.world import column, looked, only, table
from feature_platform_tests.effort import repetitions


def days(many=8, **told):
    return [column(at, **told) for at in range(many)]


def constant(history, seasonal=False, **told):
    return only(Constant(), history, [column(20, **{"distinct": 1, **told})], seasonal)


def dead(history, seasonal=False, **told):
    return only(Dead(), history, [column(20, **{"nulls": 1000, "mean": None, "distinct": 0, **told})], seasonal)


def test_one_value_where_there_were_always_many_is_wrong():
    sight = constant(days(distinct=40, top_share=0.1))
    assert (sight.wrong, sight.severity, sight.score) == (True, "warning", 1)
    assert sight.evidence == "All 1,000 values are the same, where 40 different ones are usual."
    assert constant(days(distinct=40, top_share=0.1), distinct=2).wrong is False


def test_a_flag_is_constant_by_chance_only_where_it_is_rare():
    assert constant(days(distinct=2, top_share=0.6)).wrong is True
    assert constant(days(distinct=2, top_share=0.995)).wrong is False
    assert constant(days(distinct=2, top_share=0.995), rows=10_000).wrong is True


def test_without_shares_only_many_values_tell():
    assert constant(days(distinct=12)).wrong is True
    assert constant(days(distinct=3)).wrong is False
    assert constant([*days(distinct=12), column(9, distinct=1)]).wrong is False


def test_what_was_constant_before_may_be_constant_again():
    assert constant([*days(distinct=40, top_share=0.1), column(9, distinct=1, top_share=1.0)]).wrong is False
    assert constant(days(distinct=1, top_share=1.0)).wrong is False


def test_few_values_are_no_constant():
    history = days(distinct=40, top_share=0.1)
    assert constant(history, rows=29).wrong is None
    assert constant(history, nulls=980).wrong is None
    assert constant(history[:4]).wrong is None
    assert constant([{**row, "rows": 10} for row in history]).wrong is None
    assert constant(history, rows=30).wrong is True


def test_no_value_at_all_is_critical_where_there_were_some():
    sight = dead(days(nulls=200))
    assert (sight.wrong, sight.severity, sight.score) == (True, "critical", 1.0)
    assert sight.evidence == "None of 1,000 rows has a value, where at least 80% of them had one."
    assert dead(days(nulls=200), nulls=0, nans=1000).wrong is True


def test_a_column_that_is_nearly_always_empty_is_empty_by_chance():
    assert dead(days(nulls=998)).wrong is False
    assert dead(days(nulls=950)).wrong is True
    assert dead(days(nulls=1000)).wrong is False
    assert dead([*days(nulls=0), column(9, nulls=1000)]).wrong is False


def test_half_of_the_values_lost_is_worth_a_warning():
    sight = dead(days(nulls=100), nulls=700)
    assert (sight.wrong, sight.severity) == (True, "warning")
    assert sight.evidence == "Mostly empty: 70% of the rows have no value, where at most 10% is usual."
    assert sight.threshold == pytest.approx(0.6)
    assert dead(days(nulls=100), nulls=590).wrong is False
    assert dead(days(nulls=600), nulls=100).wrong is False


def test_few_rows_or_partitions_say_nothing_of_lost_values():
    assert dead(days(nulls=0)[:4]).wrong is None
    assert dead(days(nulls=0), rows=20, nulls=20).wrong is None
    assert dead(days(nulls=0), rows=0, nulls=0).wrong is None


@pytest.mark.parametrize(("look", "told"), [(constant, {"distinct": 40, "top_share": 0.1}), (dead, {"nulls": 0})])
def test_a_first_sunday_is_not_held_against_weekdays(look, told):
    history = [column(at, **told) for at in range(5)]  # Monday to Friday; day 20 is a Sunday
    assert look(history, seasonal=True).wrong is None
    assert look([*history, column(6, **told)], seasonal=True).wrong is True


def test_columns_are_looked_at_by_name_and_new_ones_are_not_judged():
    history = [row for at in range(8) for row in (table(at), column(at, "b"), column(at, "a"))]
    current = [table(20), column(20, "b"), column(20, "new"), column(20, "a")]
    assert [(each.column, each.wrong) for each in Dead().look(looked(history, current))] == [
        ("a", False),
        ("b", False),
        ("new", None),
    ]


def test_clean_chance_hardly_ever_makes_a_rare_flag_wrong():
    """Of hundreds or thousands of partitions of 200 rows of a flag that is true in 2%, none is called constant."""
    rng = np.random.default_rng(8)
    found = 0
    for _ in repetitions(100):
        rows = [draw(rng, at) for at in range(30)]
        found += sum(only(Constant(), rows[:at], [rows[at]]).wrong is True for at in range(5, 30))
    assert found == 0


def draw(rng, at):
    true = int(rng.binomial(200, 0.02))
    top = max(true, 200 - true) / 200
    return column(at, rows=200, distinct=2 if 0 < true < 200 else 1, top_share=top)
