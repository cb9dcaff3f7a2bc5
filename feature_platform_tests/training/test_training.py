"""Training sets: one row for each moment, nothing from after it, and the same rows again."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.label import Label
from feature_platform.ground.errors import ColumnCollision, TableNotFound, VersionNotFound
from feature_platform_tests.copies import begin_with
from feature_platform_tests.pipelines.test_materialization_laws import AMOUNTS, KEYS, law, moments, rows
from feature_platform_tests.shop import at, customer, daily, last_order, source, spending, spine

MOMENTS = spine(("bob", at(3)), ("ann", at(1)), ("bob", at(3)), ("eve", at(2)), ("ann", at(5)))


def buys(read: fp.Source, known_at: str | None = None) -> Label:
    """How much the next order is worth."""
    return fp.label(entity=customer, source=read, known_at=known_at, name="buys")(
        lambda orders: orders.select(pl.exclude("amount"), bought="amount")
    )


def training(
    frame: pl.DataFrame,
    asked: pl.DataFrame = MOMENTS,
    *,
    known_at: str | None = None,
    horizon: str | None = None,
    **words: Any,
) -> fp.TrainingSet:
    read = source(frame, known_at=known_at)
    service = fp.FeatureService("v1", [spending(read), last_order(read, ttl="2d")], **words)
    return fp.TrainingSet("buying", service=service, spine=asked, label=buys(read), horizon=horizon)


def prepared(declared: fp.TrainingSet, store: fp.OfflineStore) -> fp.TrainingSet:
    """The training set, with all that it is made from materialized."""
    for each in (*declared.service.views, declared.label, declared.spine):
        if each is not None:
            fp.materialize(each, store)
    return declared


def prepare_days(root: Path) -> None:
    prepared(training(daily()), fp.OfflineStore(root))


@pytest.fixture
def buying(store: fp.OfflineStore) -> fp.TrainingSet:
    """The training set of all days, with all that it is made from materialized."""
    begin_with(prepare_days, store.root)
    return training(daily())


def test_there_is_one_row_for_each_spine_row_in_spine_order(store: fp.OfflineStore, buying: fp.TrainingSet) -> None:
    built = fp.build_training_set(buying, store)
    assert built.rows.collect().rows() == [
        (at(3), "bob", 5.0, 2, 3.0, 4.0),
        (at(1), "ann", 10.0, 1, 10.0, 10.0),
        (at(3), "bob", 5.0, 2, 3.0, 4.0),
        (at(2), "eve", 0.0, 0, None, None),
        (at(5), "ann", 20.0, 2, 10.0, None),
    ]


def test_a_label_that_is_not_known_is_null_and_counted(store: fp.OfflineStore, buying: fp.TrainingSet) -> None:
    built = fp.build_training_set(buying, store)
    assert built.published.candidate.notes == {"rows_without_label": 2}
    assert built.manifest["rows_without_label"] == 2


@pytest.mark.parametrize(("horizon", "bought"), [("11h", None), ("12h", 4.0)])
def test_an_outcome_counts_up_to_the_horizon(store: fp.OfflineStore, horizon: str, bought: float | None) -> None:
    declared = prepared(training(daily(), spine(("bob", at(3))), horizon=horizon), store)
    assert fp.build_training_set(declared, store).rows.collect()["bought"].to_list() == [bought]


def test_an_outcome_without_a_known_at_is_not_known(store: fp.OfflineStore) -> None:
    frame = daily().with_columns(known=pl.when(pl.col("amount") != 4).then("at"))
    declared = prepared(training(frame, spine(("bob", at(3))), known_at="known"), store)
    assert fp.build_training_set(declared, store).rows.collect()["bought"].to_list() == [5.0]


def test_the_rows_without_a_label_are_counted_over_all_its_columns(store: fp.OfflineStore) -> None:
    read = source(daily())
    label = fp.label(entity=customer, source=read, name="last_amount")(
        lambda orders: orders.select("customer", "at", bought="amount", big=pl.when(pl.col("amount") > 4).then(True))
    )
    service = fp.FeatureService("v1", [last_order(read)])
    declared = prepared(fp.TrainingSet("buying", service=service, spine=MOMENTS, label=label), store)
    built = fp.build_training_set(declared, store)
    assert built.rows.collect()["big"].to_list() == [None, True, None, None, None]
    assert built.manifest["rows_without_label"] == 2


def test_two_builds_are_one_version_and_one_hash(store: fp.OfflineStore, buying: fp.TrainingSet) -> None:
    first, again = fp.build_training_set(buying, store), fp.build_training_set(buying, store)
    assert first.manifest == again.manifest
    assert store.latest_version("training_sets/buying") == 0


def test_its_versions_give_the_same_rows_after_sources_changed(store: fp.OfflineStore, buying: fp.TrainingSet) -> None:
    built = fp.build_training_set(buying, store)
    before = built.rows.collect()
    changed = prepared(training(daily().with_columns(pl.col("amount") + 1), MOMENTS.head(2)), store)
    newer = fp.build_training_set(changed, store)
    assert not newer.rows.collect().equals(before)

    again = fp.build_training_set(changed, store, versions=built.versions)

    assert_frame_equal(again.rows.collect(), before)
    assert again.manifest["content_hash"] == built.manifest["content_hash"]
    assert again.versions == built.versions
    assert_frame_equal(built.rows.collect(), before)


def test_the_manifest_says_what_it_is_and_what_it_is_made_from(store: fp.OfflineStore, buying: fp.TrainingSet) -> None:
    built = fp.build_training_set(buying, store)
    told = dict(built.manifest)
    assert len(str(told.pop("content_hash"))) >= 16
    assert len(str(told.pop("code_version"))) == 12
    assert told == {
        "training_set": "buying",
        "service": "v1",
        "label": "buys",
        "version": 0,
        "rows": 5,
        "columns": {
            "event_timestamp": "Datetime(time_unit='us', time_zone='UTC')",
            "customer": "String",
            "amount_sum_2d": "Float64",
            "count_2d": "Int64",
            "last_amount": "Float64",
            "bought": "Float64",
        },
        "first": "2024-01-02T00:00:00+00:00",
        "last": "2024-01-06T00:00:00+00:00",
        "versions": {"labels/buys": 0, "sources/buying_spine": 0, "views/last_order": 0, "views/spending": 0},
        "rows_without_label": 2,
        "incomplete": [],
        "pinned": {},
    }
    [record] = store.read("runs").filter(pl.col("asset") == "training_sets/buying").collect().rows(named=True)
    declared = {each["table"]: each["version"] for each in record["inputs_declared"]}
    assert declared == built.versions


def test_full_names_carry_the_view(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(prepared(training(daily(), full_names=True), store), store)
    features = ["spending__amount_sum_2d", "spending__count_2d", "last_order__last_amount"]
    assert built.rows.collect_schema().names() == ["event_timestamp", "customer", *features, "bought"]


def test_gaps_are_filled_from_earlier_rows_of_the_set_only(store: fp.OfflineStore) -> None:
    asked = spine(("eve", at(1)), ("bob", at(1)), ("eve", at(3)), ("bob", at(2)), ("bob", at(4)))
    declared = training(daily(), asked, impute={"last_amount": fp.Impute.mean(flag=True)})
    found = fp.build_training_set(prepared(declared, store), store).rows.collect()
    assert found["last_amount"].to_list() == [None, 1.0, 1.5, 2.0, 4.0]
    assert found["last_amount_was_missing"].to_list() == [True, False, True, False, False]
    assert found.columns[-1] == "bought"


def test_a_spine_that_was_never_materialized_is_read_as_it_is(store: fp.OfflineStore) -> None:
    declared = training(daily())
    assets: list[Any] = [*declared.service.views, declared.label]
    for each in assets:
        fp.materialize(each, store)
    built = fp.build_training_set(declared, store)
    assert built.rows.collect().height == 5
    assert "sources/buying_spine" not in built.versions


def test_what_was_never_materialized_is_named(store: fp.OfflineStore) -> None:
    with pytest.raises(TableNotFound, match="labels/buys"):
        fp.build_training_set(training(daily()), store)


def test_a_version_that_is_not_there_is_named_and_the_run_recorded(
    store: fp.OfflineStore, buying: fp.TrainingSet
) -> None:
    with pytest.raises(VersionNotFound, match="views/spending` has no version 9"):
        fp.build_training_set(buying, store, versions={"views/spending": 9})
    outcomes = store.read("runs").filter(pl.col("asset") == "training_sets/buying").collect()["outcome"].to_list()
    assert outcomes == ["failed"]


def test_a_spine_column_that_is_called_as_the_label_is_refused(store: fp.OfflineStore) -> None:
    declared = prepared(training(daily(), MOMENTS.with_columns(bought=1.0)), store)
    with pytest.raises(ColumnCollision, match="bought"):
        fp.build_training_set(declared, store)


@law(8)
@given(data=st.data())
def test_what_happens_or_is_learnt_after_a_moment_never_changes_its_features(data: st.DataObject) -> None:
    day = timedelta(days=1)
    event = st.tuples(KEYS, moments(0, 5, day), AMOUNTS, st.sampled_from([timedelta(0), timedelta(days=1)]))
    events: list[Any] = data.draw(st.lists(event, min_size=1, max_size=8))
    drawn = [(*order, order[1] + lag) for *order, lag in events]
    instant = data.draw(moments(1, 4, day))
    further: list[Any] = data.draw(st.lists(event, max_size=4))
    more = [(*order, order[1] + lag) for *order, lag in further]
    other = [order if order[3] <= instant else (order[0], order[1], 99.0, order[3] + day) for order in drawn]
    other += [order for order in more if order[3] > instant]
    asked = spine(*data.draw(st.lists(st.tuples(KEYS, moments(0, 5, day)), min_size=6, max_size=10)))

    def features(told: list[tuple[object, ...]]) -> pl.DataFrame:
        declared = training(
            rows(told, "known"), asked, known_at="known", impute={"last_amount": fp.Impute.mean(by="customer")}
        )
        with TemporaryDirectory() as folder:
            store = fp.OfflineStore(folder)
            built = fp.build_training_set(prepared(declared, store), store)
            return built.rows.filter(pl.col("event_timestamp") <= instant).drop("bought").collect()

    assert_frame_equal(features(other), features(drawn))
