"""Fitted statistics as a table: learnt by the end of a training set, versioned with it, read back for serving."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.fitted import values_of
from feature_platform.ground.errors import TableNotFound
from feature_platform.training.fitted import imputation_statistics
from feature_platform_tests.shop import at, daily, last_order, source, spine

MOMENTS = spine(("bob", at(3)), ("ann", at(1)), ("bob", at(2)), ("eve", at(2)), ("ann", at(5)))
FITTED = {"last_amount": fp.Impute.mean(by="customer")}


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(tmp_path / "store")


def built(
    store: fp.OfflineStore,
    asked: pl.DataFrame = MOMENTS,
    impute: dict[str, Any] = FITTED,
    versions: dict[str, int] | None = None,
):
    view = last_order(source(daily()))
    service = fp.FeatureService("v1", [view], impute=impute)
    fp.materialize(view, store)
    declared = fp.TrainingSet("buying", service=service, spine=asked)
    return service, fp.build_training_set(declared, store, versions)


def test_what_was_learnt_by_the_end_of_a_training_set_is_a_table(store: fp.OfflineStore) -> None:
    service, training_set = built(store)

    found = imputation_statistics(service, store)

    assert training_set.manifest["imputation"] == 0
    assert values_of(found, "last_amount").rows() == [("ann", 10.0), ("bob", 2.5)]
    assert found["learnt_from"].to_list() == [2, 2]
    assert found["as_of"].unique().to_list() == [at(5)]


def test_filled_gaps_teach_nothing(store: fp.OfflineStore) -> None:
    service, training_set = built(store, impute={"last_amount": fp.Impute.mean(by=None)})

    assert training_set.rows.collect()["last_amount"].null_count() == 0
    assert imputation_statistics(service, store)["learnt_from"].to_list() == [4]


def test_unchanged_statistics_make_no_new_version_and_changed_ones_keep_the_old(store: fp.OfflineStore) -> None:
    service, first = built(store)
    before = imputation_statistics(service, store)
    _, again = built(store)
    _, newer = built(store, MOMENTS.head(2))

    assert [each.manifest["imputation"] for each in (first, again, newer)] == [0, 0, 1]
    assert_frame_equal(imputation_statistics(service, store, version=0), before)
    assert imputation_statistics(service, store)["as_of"].unique().to_list() == [at(3)]


def test_the_table_says_from_which_run_code_and_tables_it_is(store: fp.OfflineStore) -> None:
    _, training_set = built(store)

    stats = store.history("imputation/v1").row(0, named=True)
    rows = store.history("training_sets/buying").row(0, named=True)

    assert stats["asset"] == "imputation/v1"
    for told in ("run_id", "code_version", "inputs"):
        assert stats[told] == rows[told]
    assert f"views/last_order@{training_set.versions['views/last_order']}" in stats["inputs"]


def test_a_service_that_learns_nothing_has_no_statistics(store: fp.OfflineStore) -> None:
    service, training_set = built(store, impute={"last_amount": fp.Impute.constant(0.0)})

    assert "imputation" not in training_set.manifest
    with pytest.raises(TableNotFound, match="imputation/v1"):
        imputation_statistics(service, store)


def test_a_training_set_without_rows_has_learnt_nothing(store: fp.OfflineStore) -> None:
    service, training_set = built(store, MOMENTS.clear())

    assert training_set.manifest["imputation"] == 0
    assert imputation_statistics(service, store).is_empty()
