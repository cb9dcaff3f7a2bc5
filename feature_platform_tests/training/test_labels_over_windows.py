"""Training sets with labels over windows, as they are built from a store and stored."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.label import Label
from feature_platform.ground.errors import (
    ColumnCollision,
    InvalidDeclaration,
    NoFinalLabel,
    NotTheSameInParts,
    UnknownName,
)
from feature_platform.pipelines.materialization import materialize_each
from feature_platform.training.sets import BuiltTrainingSet
from feature_platform_tests.shop import at, customer, daily, last_order, orders, source, spine

pytestmark = pytest.mark.usefixtures("unrecorded")

DAYS = 20  # of orders; the last day ends at day 20
NOT_NULL = fp.Expect("expect_column_values_to_not_be_null", column="amount")
MOMENTS = [at(day) for day in range(2, DAYS)]


def next_days(read: fp.Source, **words: Any) -> Label:
    """What a customer spends in the three days after the next one."""
    options: dict[str, Any] = {"start": "1d", "aggregations": [fp.Sum("amount", windows=["3d"])]} | words
    return fp.label(entity=customer, source=read, name="next_days", **options)(lambda rows: rows)


def soon(read: fp.Source, **words: Any) -> Label:
    """Whether a customer orders within the horizon."""
    options: dict[str, Any] = {"otherwise": {"ordered": False}} | words
    return fp.label(entity=customer, source=read, name="soon", **options)(
        lambda rows: rows.select("customer", "at", ordered=pl.lit(value=True))
    )


def declared(read: fp.Source, *labels: Label, asked: pl.DataFrame | None = None, **words: Any) -> fp.TrainingSet:
    """Return a training set that asks for ann each day."""
    service = fp.FeatureService("v1", [last_order(read)])
    rows = spine(*(("ann", moment) for moment in MOMENTS)) if asked is None else asked
    return fp.TrainingSet("buying", service=service, spine=rows, labels=labels, **words)


def made(store: fp.OfflineStore, training_set: fp.TrainingSet) -> fp.TrainingSet:
    """Materialize what a training set reads."""
    for each in (*training_set.service.views, *(label.read_from for label in training_set.labels)):
        fp.materialize(each, store)
    return training_set


def built(store: fp.OfflineStore, *labels: Label, read: fp.Source, **words: Any) -> BuiltTrainingSet:
    return fp.build_training_set(made(store, declared(read, *labels, **words)), store)


def test_rows_whose_window_has_not_ended_in_the_data_are_left_out_and_counted(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    found = built(store, next_days(read), read=read)
    rows = found.rows.collect()

    assert rows.columns == ["event_timestamp", "customer", "last_amount", "amount_sum_next_3d", "label_known_at"]
    assert rows["event_timestamp"].to_list() == MOMENTS[:15]  # day 16 and its four days are the last that are there
    assert rows["amount_sum_next_3d"].to_list() == [30.0] * 15
    assert rows["label_known_at"].to_list() == [moment + timedelta(days=4) for moment in MOMENTS[:15]]
    assert found.manifest["rows_not_final"] == 3
    assert found.manifest["labels"] == {
        "next_days": {
            "table": f"sources/orders@{found.versions['sources/orders']}",
            "covered_to": "2024-01-21T00:00:00.000000Z",
            "negatives": {"amount_sum_next_3d": 0},
        }
    }
    assert "3 more have no final label" in str(found.summary())


def test_more_data_makes_more_rows_and_the_same_versions_make_the_same(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    first = built(store, next_days(read), read=read)
    more = source(daily(DAYS + 2))
    second = built(store, next_days(more), read=more)

    assert (first.manifest["rows_not_final"], second.manifest["rows_not_final"]) == (3, 1)
    again = fp.build_training_set(declared(more, next_days(more)), store, first.versions)
    assert {**first.manifest, "version": again.manifest["version"]} == again.manifest
    assert again.manifest["content_hash"] == first.manifest["content_hash"]


def test_nothing_that_happens_is_a_negative_and_not_a_gap(store: fp.OfflineStore) -> None:
    read = source(orders(("ann", at(0, 12), 5.0), *(("bob", at(day, 12), 1.0) for day in range(DAYS))))
    label = next_days(read, aggregations=[fp.Sum("amount", windows=["3d"]), fp.Any(pl.col("amount") > 3, name="big",
                      windows=["3d"]), fp.Mean("amount", windows=["3d"])])  # fmt: skip
    found = built(store, label, read=read)

    rows = found.rows.select("amount_sum_next_3d", "big_any_next_3d", "amount_mean_next_3d").unique().collect().rows()
    assert rows == [(0.0, False, None)]
    assert found.manifest["labels"]["next_days"]["negatives"] == {  # type: ignore[index]
        "amount_sum_next_3d": 15,
        "big_any_next_3d": 15,
    }


def test_rows_that_are_not_final_are_kept_with_nulls_when_asked_for(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    found = built(store, next_days(read), read=read, immature="keep")
    rows = found.rows.collect()

    assert rows["event_timestamp"].to_list() == MOMENTS
    assert rows["amount_sum_next_3d"].to_list() == [30.0] * 15 + [None] * 3
    assert rows["label_known_at"].null_count() == found.manifest["rows_not_final"] == 3


def test_a_time_to_an_event_is_kept_as_watched_so_far(store: fp.OfflineStore) -> None:
    read = source(orders(("ann", at(5, 12), 5.0), *(("bob", at(day, 12), 1.0) for day in range(DAYS))))
    label = next_days(read, start=None, aggregations=[fp.TimeTo(windows=["4d"])])
    found = built(store, label, read=read, immature="watch")
    rows = found.rows.collect()

    days = [seconds / 86_400 for seconds in rows["time_to_next_4d"]]
    assert days == [3.5, 2.5, 1.5, 0.5, *[4.0] * 11, 3.0, 2.0, 1.0]
    assert rows["time_to_next_4d_happened"].to_list() == [True] * 4 + [False] * 14
    assert found.manifest["rows_watched_so_far"] == 3
    assert found.manifest["rows_not_final"] == 0


def test_a_gap_in_the_partitions_ends_what_is_covered(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    training_set = declared(read, next_days(read))
    for days in ((0, 8), (10, DAYS)):
        fp.materialize(training_set.service.views[0], store, at(days[0]), at(days[1]))
    found = fp.build_training_set(training_set, store, stale="ignore")

    kept = [moment for moment in MOMENTS if moment <= at(4) or at(9) <= moment <= at(16)]
    assert found.rows.collect()["event_timestamp"].to_list() == kept


def test_labels_end_where_known_by_says(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    found = built(store, next_days(read), read=read, known_by=at(10))

    assert found.rows.collect()["event_timestamp"].to_list() == [at(day) for day in range(2, 7)]


def test_without_any_final_label_nothing_is_built(store: fp.OfflineStore) -> None:
    read = source(daily(3))
    with pytest.raises(NoFinalLabel) as refused:
        built(store, next_days(read), read=read)

    assert str(refused.value).startswith(
        "No row of `buying` has a final label: `sources/orders@0` covers up to 2024-01-04, "
        "the first label needs 2024-01-07."
    )
    assert not store.exists("training_sets/buying")
    assert fp.build_training_set(declared(read, next_days(read), immature="keep"), store).manifest["rows"] == 18


def test_late_events_count_as_long_as_the_label_waits_for_them(store: fp.OfflineStore) -> None:
    rows = daily(DAYS).with_columns(known=pl.col("at") + pl.duration(days=pl.when(amount=10).then(2).otherwise(0)))
    read = source(rows, known_at="known")
    waits = [next_days(read, lateness=lateness) for lateness in (None, "1d", "2d")]
    sums = [built(store, each, read=read).rows.collect()["amount_sum_next_3d"] for each in waits]

    assert [each[0] for each in sums] == [10.0, 20.0, 30.0]
    assert [len(each) for each in sums] == [15, 14, 13]


def test_a_row_waits_for_all_of_its_labels_or_for_one_of_them(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    labels = next_days(read), soon(read)
    both = built(store, *labels, read=read, horizon="5d").rows.collect()
    named = built(store, *labels, read=read, horizon={"soon": "5d"}).rows.collect()
    either = built(store, *labels, read=read, horizon="5d", labels_any=True).rows.collect()

    assert both["event_timestamp"].to_list() == MOMENTS[:13]  # five days and a microsecond
    assert both.equals(named)
    assert either["event_timestamp"].to_list() == MOMENTS[:15]
    assert either["ordered"].to_list() == [True] * 13 + [None] * 2
    assert either["label_known_at"].null_count() == 0


def test_a_label_that_is_not_final_keeps_its_row_from_training(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    split = fp.Split(validate_from=at(8), test_from=at(12))
    found = built(store, next_days(read), read=read, split=split)
    rows = found.rows.collect()

    parts = {part: rows.filter(training_part=part)["event_timestamp"].to_list() for part in ("train", "validation")}
    assert parts == {"train": MOMENTS[:3], "validation": [at(8)]}
    assert rows.filter(training_part="test")["event_timestamp"].to_list() == [at(day) for day in range(12, 17)]


def test_labels_that_say_when_they_are_final_and_others_share_the_embargo(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    plain = soon(read, otherwise=None)
    split = fp.Split(test_from=at(12))
    found = built(store, next_days(read), plain, read=read, horizon={"soon": "6d"}, split=split)

    train = found.rows.filter(training_part="train").collect()["event_timestamp"]
    assert train.to_list() == [at(day) for day in range(2, 7)]  # six days of `soon`, not the four of `next_days`


def test_gaps_are_filled_from_rows_with_final_labels_only(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    view = last_order(read, ttl="1h")  # always a gap at midnight
    service = fp.FeatureService("v1", [view], impute={"last_amount": fp.Impute.mean()})
    asked = spine(*(("ann", at(day, 12)) for day in range(2, 18)), ("ann", at(18)))
    training_set = replace(declared(read, next_days(read)), service=service)
    training_set = fp.TrainingSet("buying", service=service, spine=asked, labels=training_set.labels)
    found = fp.build_training_set(made(store, training_set), store)

    assert found.rows.collect().height == 14
    assert found.manifest["imputation"] is not None


def test_a_function_that_looks_at_other_moments_is_refused(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    options: dict[str, Any] = {"entity": customer, "source": read, "name": "running"}
    sums = [fp.Sum("amount", windows=["3d"])]
    label = fp.label(**options, aggregations=sums)(lambda rows: rows.with_columns(pl.col("amount").cum_sum()))
    with pytest.raises(NotTheSameInParts, match="Label"):
        built(store, label, read=read)


def test_the_code_version_has_what_decides_on_the_rows() -> None:
    read = source(daily(3))
    sets = [
        declared(read, next_days(read)),
        declared(read, next_days(read, start=None)),
        declared(read, next_days(read, lateness="1d")),
        declared(read, next_days(read, aggregations=[fp.Sum("amount", windows=["4d"])])),
        declared(read, next_days(read, aggregations=[fp.Sum("amount", windows=["3d"], where=pl.col("amount") > 1)])),
        declared(read, next_days(read), soon(read), horizon="2d"),
        declared(read, soon(read), horizon="2d"),
        declared(read, soon(read, otherwise={"ordered": True}), horizon="2d"),
        declared(read, next_days(read), immature="keep"),
        declared(read, next_days(read), known_by=at(2)),
        declared(read, next_days(read), labels_any=True),
    ]
    assert len({code_version(each) for each in sets}) == len(sets)


def test_sets_without_such_labels_keep_the_version_that_they_had() -> None:
    rows = orders(("ann", at(0, 12), 1.0))
    read = source(rows)
    label = fp.label(entity=customer, source=read, name="large")(_large)
    service = fp.FeatureService("v1", [last_order(read)])
    sets = [
        fp.TrainingSet("buying", service=service, spine=read),
        fp.TrainingSet("buying", service=service, spine=read, label=label),
        fp.TrainingSet("buying", service=service, spine=read, label=label, horizon="2d"),
    ]
    assert [code_version(each) for each in sets] == PINNED
    assert code_version(label) == PINNED_LABEL


def _large(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("customer", "at", large=pl.col("amount") > 100)


PINNED = ["6e8af25538d7", "c7a23856a895", "0a971d31bc27"]  # made before there were labels over windows
PINNED_LABEL = "93a98fd8e67e"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"start": "-1d"}, "starts -1d after its moment. Begin at 0d or later: earlier events are features."),
        ({"start": "soon"}, "Label `next_days`, start, has the duration 'soon'."),
        ({"aggregations": [fp.Sum("amount", windows=["lifetime"])]}, "has the window 'lifetime', and a label is final"),
        ({"aggregations": [fp.Sum("amount", windows=["3d"], lag="1d")]}, "has lag='1d'. Labels begin `start` after"),
        ({"aggregations": [fp.Recency(windows=["3d"])]}, "looks back from its moment"),
        ({"aggregations": fp.Sum("amount", windows=["3d"])}, "Give a list: aggregations="),
        ({"otherwise": {"x": 1}}, "has aggregations and otherwise"),
        ({"aggregations": []}, "has a start but no aggregations"),
        ({"expectations": [NOT_NULL]}, "no table that they could be about"),
        ({"aggregations": [fp.Sum("amount", windows=["3d"])] * 2}, "twice"),
    ],
)  # fmt: skip
def test_a_label_that_cannot_be_is_refused_when_declared(words: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        next_days(source(daily(1)), **words)
    assert sentence in str(refused.value)


def test_time_to_an_event_is_no_feature() -> None:
    read = source(daily(1))
    with pytest.raises(InvalidDeclaration, match="looks ahead, which only a label may"):
        fp.feature_view(entity=customer, source=read, aggregations=[fp.TimeTo(windows=["1d"])], name="v")(
            lambda rows: rows
        )


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        ({"horizon": "2d", "labels": "windows"}, InvalidDeclaration, "has a horizon, and labels over windows only"),
        ({"horizon": {"sooner": "2d"}}, UnknownName, "no label of rows `sooner`"),
        ({"horizon": None}, InvalidDeclaration, "has no horizon for the label `soon`, which is to be final"),
        ({"horizon": 5}, InvalidDeclaration, "has the duration 5"),
        ({"horizon": "2d", "immature": "wait"}, InvalidDeclaration, "has immature='wait'. Use one of drop"),
        ({"horizon": "2d", "immature": "watch"}, InvalidDeclaration, "and no label with fp.TimeTo"),
        ({"horizon": "2d", "labels_any": 1}, InvalidDeclaration, "has labels_any=1"),
        ({"horizon": "2d", "labels": "twice"}, InvalidDeclaration, "has the label `soon` twice"),
        ({"horizon": "2d", "labels": "none"}, InvalidDeclaration, "has labels="),
    ],
)  # fmt: skip
def test_a_training_set_with_labels_that_cannot_be_is_refused_when_declared(words, error, sentence) -> None:
    read = source(daily(1))
    labels: dict[str, Any] = {"windows": [next_days(read)], "twice": [soon(read), soon(read)], "none": [None]}
    options = words | {"labels": labels[words["labels"]] if "labels" in words else [soon(read)]}
    service = fp.FeatureService("v1", [last_order(read)])
    with pytest.raises(error) as refused:
        fp.TrainingSet("buying", service=service, spine=spine(("ann", at(1))), **options)
    assert sentence in str(refused.value)


def test_a_spine_column_of_the_name_of_a_label_is_refused(store: fp.OfflineStore) -> None:
    read = source(daily(DAYS))
    for name in ("label_known_at", "amount_sum_next_3d"):
        asked = spine(("ann", at(2))).with_columns(pl.lit(at(0)).alias(name))
        with pytest.raises(ColumnCollision, match=name):
            built(store, next_days(read), read=read, asked=asked)


def test_a_label_over_windows_has_no_table_and_its_source_is_materialized(store: fp.OfflineStore) -> None:
    published = fp.materialize(next_days(source(daily(3))), store)
    assert list(published) == ["sources/orders"]


def test_rows_that_come_late_are_taken_in_as_long_as_a_label_above_them_waits(tmp_path: Path) -> None:
    early, late = daily(2), orders(("ann", at(0, 13), 7.0))
    counts = []
    for number, waits in enumerate((None, "1d")):
        store = fp.OfflineStore(tmp_path / str(number))
        fp.materialize(source(early), store, at(0), at(1))
        read = source(pl.concat([early, late]))
        label = next_days(read, lateness=waits)
        list(materialize_each([read], store, at(1), at(2), among=[label]))
        counts.append(store.partition_states("sources/orders")["2024-01-01"].rows)
    assert counts == [2, 3]
