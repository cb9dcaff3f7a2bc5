"""Training sets that tell their labels: what is suspected, and what is not."""

import warnings
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.label import Label
from feature_platform.ground.errors import LeakageSuspected
from feature_platform.training.leakage import SAMPLE, LeakKind, find_leaks
from feature_platform_tests.shop import at, customer, last_order, orders, source

pytestmark = pytest.mark.usefixtures("unrecorded")

DAYS = 60
NAMES = ("ann", "bo")
ROWS = orders(*((name, at(day, 12), float((day * 7 + len(name)) % 11)) for day in range(DAYS) for name in NAMES))
AN_HOUR_BEFORE = (pl.col("at") - pl.duration(hours=1)).alias("event_timestamp")


def large(read: fp.Source, **words: Any) -> Label:
    """Whether the next order is large."""
    return fp.label(entity=customer, source=read, name="large", **words)(
        lambda rows: rows.select("customer", "at", large=pl.col("amount") > 5)
    )


def built(store: fp.OfflineStore, spine: Any, label: Label, **words: Any) -> tuple[fp.TrainingSet, Any, list[str]]:
    """Build a training set; return it, what was built, and the warnings."""
    service = fp.FeatureService("v1", [last_order(label.inputs[0])])
    training_set = fp.TrainingSet("buying", service=service, spine=spine, label=label, horizon="2d", **words)
    for each in (*service.views, label, spine):
        if not isinstance(each, pl.DataFrame):
            fp.materialize(each, store)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = fp.build_training_set(training_set, store)
    return training_set, made, [str(each.message) for each in caught if each.category is LeakageSuspected]


def test_a_spine_of_the_source_of_its_label_tells_the_label_of_the_same_row(store: fp.OfflineStore) -> None:
    read = source(ROWS)
    _, made, told = built(store, read, large(read))
    kinds = {(leak.kind, leak.column) for leak in made.leaks}

    assert (LeakKind.SAME_ROW, "amount") in kinds
    assert made.leaks[0].is_critical
    assert told
    assert "`amount` of the spine is a column that label `large` is made of" in told[0]
    assert made.manifest["leaks"] == [str(leak) for leak in made.leaks]


def test_so_does_a_spine_of_chosen_events_and_a_window_that_begins_later_does_not(store: fp.OfflineStore) -> None:
    read = source(ROWS)
    spine = fp.Spine.events("some", source=read, share=1.0)
    _, made, _ = built(store, spine, large(read))
    assert LeakKind.SAME_ROW in {leak.kind for leak in made.leaks}

    sums = [fp.Sum("amount", windows=["3d"])]
    later = fp.label(entity=customer, source=read, name="later", start="1h", aggregations=sums)(lambda rows: rows)
    training_set = fp.TrainingSet(
        "later", service=fp.FeatureService("v1", [last_order(read)]), spine=spine, label=later
    )
    assert not fp.build_training_set(training_set, store).leaks


@pytest.mark.parametrize("told", ["equal", "number", "text", "rank", "missing"])
def test_a_column_that_is_the_label_or_tells_it_alone_is_suspected(store: fp.OfflineStore, told: str) -> None:
    read = source(ROWS)
    amount = pl.col("amount")
    tells = {
        "equal": amount > 5,
        "number": (amount > 5).cast(pl.Int8),
        "text": amount.cast(pl.String),
        "rank": -amount,
        "missing": pl.when(amount > 5).then(amount * 0),
    }
    asked = ROWS.select("customer", AN_HOUR_BEFORE, tells[told].alias("told"))
    label = large(read)
    if told == "text":
        label = fp.label(entity=customer, source=read, name="large")(
            lambda rows: rows.select("customer", "at", large=pl.col("amount").cast(pl.String))
        )
    _, made, warned = built(store, asked, label)

    kind = LeakKind.EQUAL if told in ("equal", "number", "text") else LeakKind.TELLING
    assert [(leak.kind, leak.column, leak.label) for leak in made.leaks] == [(kind, "told", "large")]
    assert made.leaks[0].measure > 0.999
    assert len(warned) == 1


def test_a_moment_at_which_a_row_is_both_feature_and_label_is_found_by_its_values(store: fp.OfflineStore) -> None:
    read = source(ROWS)
    _, made, _ = built(store, ROWS.select("customer", event_timestamp="at"), large(read))
    assert [(leak.kind, leak.column) for leak in made.leaks] == [(LeakKind.TELLING, "last_amount")]


def test_what_is_only_good_is_not_suspected_and_few_rows_prove_nothing(store: fp.OfflineStore) -> None:
    read = source(ROWS)
    good = (pl.col("amount") + pl.int_range(pl.len()) % 3).alias("good")
    asked = ROWS.select("customer", AN_HOUR_BEFORE, good)
    assert not built(store, asked, large(read))[1].leaks

    few = ROWS.head(20).select("customer", AN_HOUR_BEFORE, told=pl.col("amount") > 5)
    assert not built(store, few, large(read))[1].leaks


def test_a_split_that_wastes_most_rows_is_told(store: fp.OfflineStore) -> None:
    read = source(ROWS)
    sums = [fp.Sum("amount", windows=["28d"])]
    label = fp.label(entity=customer, source=read, name="month", aggregations=sums)(lambda rows: rows)
    asked = ROWS.select("customer", AN_HOUR_BEFORE)
    service = fp.FeatureService("v1", [last_order(read)])
    split = fp.Split(test_from=at(28))
    training_set = fp.TrainingSet("buying", service=service, spine=asked, label=label, split=split)
    fp.materialize(service.views[0], store)
    with pytest.warns(LeakageSuspected, match=r"\d+% of the rows are in the embargo"):
        made = fp.build_training_set(training_set, store)
    assert [leak.kind for leak in made.leaks] == [LeakKind.EMBARGO]


def test_of_many_rows_a_sample_is_looked_at(store: fp.OfflineStore) -> None:
    read = source(ROWS)
    training_set, _, _ = built(store, ROWS.select("customer", AN_HOUR_BEFORE), large(read))
    height = SAMPLE * 2 + 7
    rows = pl.DataFrame({"large": pl.int_range(height, eager=True) % 3 == 0}).with_columns(told="large")
    stretches = (rows.slice(start, 30_001).lazy() for start in range(0, height, 30_001))
    leaks = find_leaks(training_set, store, stretches, ["large"], {})
    assert [(leak.kind, leak.column) for leak in leaks] == [(LeakKind.EQUAL, "told")]
    assert find_leaks(training_set, store, iter(()), [], {}) == ()
