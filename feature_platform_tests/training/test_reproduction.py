"""A training set built again from what its commit names."""

from datetime import timedelta

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import CannotReproduce, TableNotFound, VersionNotFound, WrongArgument
from feature_platform_tests.shop import customer, daily, last_order, source, spending, spine
from feature_platform_tests.training.test_labels_over_windows import MOMENTS, next_days

ASKED = spine(*(("ann", moment + timedelta(hours=1)) for moment in MOMENTS))


def declared(read: fp.Source, spine_rows: pl.DataFrame = ASKED) -> fp.TrainingSet:
    service = fp.FeatureService("v1", [last_order(read, ttl="1h")], impute={"last_amount": fp.Impute.mean()})
    return fp.TrainingSet("buying", service=service, spine=spine_rows, label=next_days(read))


def built(store: fp.OfflineStore, days: int) -> fp.TrainingSet:
    training_set = declared(source(daily(days)))
    fp.materialize(training_set.service.views[0], store)
    fp.build_training_set(training_set, store)
    return training_set


def test_each_version_is_built_again_to_the_last_bit_whatever_came_since(store: fp.OfflineStore) -> None:
    built(store, 20)
    newest = built(store, 25)
    before = dict.fromkeys(store.tables())

    found = [fp.reproduce_training_set(newest, store, version) for version in (0, 1, None)]
    assert [each.is_identical for each in found] == [True, True, True]
    assert [each.version for each in found] == [0, 1, 1]
    assert found[0].rows == found[0].rows_again < found[1].rows
    assert found[0].versions != found[1].versions
    assert not found[0].code_changed
    assert found[0].spine_is_read_anew
    assert "built again: the same rows; its spine is no table of the store" in str(found[0])
    assert {name: store.latest_version(name) for name in before} == {
        name: store.latest_version(name) for name in store.tables()
    }


def test_other_moments_or_other_code_make_other_rows(store: fp.OfflineStore) -> None:
    training_set = built(store, 20)
    found = fp.reproduce_training_set(declared(training_set.labels[0].inputs[0], ASKED.head(9)), store)
    assert (found.is_identical, found.rows_again) == (False, 9)
    assert "other rows (9, stored are" in str(found)

    read = training_set.labels[0].inputs[0]
    other = fp.TrainingSet("buying", service=training_set.service, spine=ASKED, label=next_days(read, lateness="1d"))
    found = fp.reproduce_training_set(other, store)
    assert (found.is_identical, found.code_changed) == (False, True)


def test_what_cannot_be_built_again_says_why(store: fp.OfflineStore) -> None:
    read = source(daily(20))
    with pytest.raises(TableNotFound):
        fp.reproduce_training_set(declared(read), store)
    built(store, 20)
    with pytest.raises(VersionNotFound):
        fp.reproduce_training_set(declared(read), store, 7)
    with pytest.raises(WrongArgument):
        fp.reproduce_training_set(customer, store)  # type: ignore[arg-type]
    more = fp.FeatureService("v1", [spending(read)])
    with pytest.raises(
        CannotReproduce, match=r"`training_sets/buying` at version 0 was built without `views/spending`"
    ):
        fp.reproduce_training_set(fp.TrainingSet("buying", service=more, spine=ASKED, label=next_days(read)), store)
