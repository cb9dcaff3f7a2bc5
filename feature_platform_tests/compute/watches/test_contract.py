"""What every watch of the catalogue keeps; a new one is covered without a new test."""

import numpy as np
import polars as pl
import pytest

from feature_platform.compute.watches import WATCHES, Observation
from feature_platform.compute.watches.base import format_number, format_share
from feature_platform.compute.watches.monitored import JUDGED, MONITORED
from feature_platform.ground.findings import SEVERITIES
from feature_platform_tests.compute.watches.world import day, frame, healthy, summarized, table

each_watch = pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: watch.kind)
DAYS = 14


@pytest.fixture(scope="module")
def summaries():
    world = healthy(DAYS, 200, 7)
    return [world.summaries(at) for at in range(DAYS)]


def seasons(many=DAYS + 2):
    return {day(at): at % 7 for at in range(many)}


def again(summaries, at):
    """A day once more, as the newest."""
    return summaries[at].with_columns(partition=pl.lit(day(DAYS)))


def test_kinds_are_their_own_and_known_to_the_monitoring_table():
    assert len({watch.kind for watch in WATCHES}) == len(WATCHES) == 8
    assert {"partition", "content", "kind", "severity", "evidence"} < set(MONITORED)
    assert set(MONITORED) - set(JUDGED) == {"partition", "content"}
    assert all(watch.description.endswith(".") for watch in WATCHES)
    assert repr(WATCHES[0]) == "Volume()"


@each_watch
def test_the_same_as_a_partition_of_its_season_before_is_not_wrong(watch, summaries):
    said = watch.look(Observation(pl.concat(summaries), again(summaries, 7), seasons(), day(DAYS)))
    assert said
    assert not any(sight.wrong for sight in said), [sight.evidence for sight in said if sight.wrong]
    assert any(sight.wrong is False for sight in said)


@each_watch
@pytest.mark.parametrize("earlier", [0, 1, 2, 3, 4])
def test_with_few_earlier_partitions_nothing_can_be_told_but_the_schema(watch, summaries, earlier):
    history = pl.concat([summaries[0].clear(), *summaries[:earlier]])
    for sight in watch.look(Observation(history, summaries[earlier], seasons(), day(earlier))):
        assert sight.wrong is (False if watch.kind == "schema" and earlier else None), sight
        assert sight.evidence.startswith("Insufficient data: ") or sight.wrong is False


@each_watch
def test_the_order_of_columns_and_of_rows_within_a_partition_makes_no_difference(watch, summaries):
    mixed = [each.sample(fraction=1, shuffle=True, seed=at) for at, each in enumerate(summaries)]
    straight = watch.look(Observation(pl.concat(summaries), again(summaries, 3), seasons(), day(DAYS)))
    shuffled = watch.look(Observation(pl.concat(mixed), again(mixed, 3), seasons(), day(DAYS)))
    assert straight == shuffled


@each_watch
def test_every_sight_names_its_measure_and_its_evidence_and_what_it_was_compared_with(watch, summaries):
    broken = again(summaries, 2).with_columns(
        pl.col("rows") * 9, pl.col("mean", "deviation") * 1000, distinct=1, duplicates=99
    )
    for current in (again(summaries, 7), broken, again(summaries, 7).head(1)):
        for sight in watch.look(Observation(pl.concat(summaries), current, seasons(), day(DAYS))):
            assert sight.measure, sight
            assert sight.compared_to, sight
            assert sight.severity in SEVERITIES
            assert sight.evidence.endswith("."), sight
            assert "nan" not in sight.evidence.split(), sight
            assert not any(isinstance(each, float) and np.isnan(each) for each in (sight.score, sight.threshold))
            pl.DataFrame(
                [{"column": sight.column, "score": sight.score, "threshold": sight.threshold, "found": sight.wrong}],
                schema={name: JUDGED[name] for name in ("column", "score", "threshold", "found")},
            )


@each_watch
def test_no_rows_at_all_anywhere_are_nothing_to_cry_about(watch):
    none = pl.DataFrame(schema={"x": pl.Float64(), "flag_was_missing": pl.Boolean()})
    empty = [summarized(day(at), none, {}, pl.Series([], dtype=pl.Int64), 0) for at in range(9)]
    said = watch.look(Observation(pl.concat(empty[:8]), empty[8], seasons(), day(8)))
    assert not any(sight.wrong for sight in said)


@each_watch
def test_summaries_without_the_shares_that_older_ones_do_not_have_are_enough(watch, summaries):
    old = [each.drop("true_share", "top_share") for each in summaries]
    said = watch.look(Observation(pl.concat(old), again(old, 7), seasons(), day(DAYS)))
    assert not any(sight.wrong for sight in said)


@each_watch
def test_a_table_whose_summaries_are_lost_says_nothing_wrong(watch):
    nothing = frame([])
    assert not any(sight.wrong for sight in watch.look(Observation(nothing, nothing, {}, day(0))))
    assert not any(sight.wrong for sight in watch.look(Observation(nothing, frame([table(0)]), {}, day(0))))


def test_numbers_are_told_with_few_digits():
    assert [format_number(each) for each in (0.0, -12.345, 1234.5, 1e20, -0.00012)] == [
        "0", "-12.35", "1,234", "1e+20", "-0.00012",
    ]  # fmt: skip
    assert [format_share(each) for each in (0.0, 0.123456, 0.9999)] == ["0%", "12.3%", "99.99%"]
