"""A year of purchases through every table: labels that are final, a split without a leak, the same values online."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import project_of
from feature_platform.examples.retail import project
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.training.sets import BuiltTrainingSet

pytestmark = pytest.mark.slow
END = datetime(2018, 1, 1, tzinfo=timezone.utc)
PARTS = {"train": datetime(2017, 9, 4, tzinfo=timezone.utc), "validation": datetime(2017, 10, 16, tzinfo=timezone.utc)}
LEFT_OUT = ("sources/promotions", "views/promoted_purchases")  # the demonstration has them


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> fp.OfflineStore:
    """A store with all that the training set is made from."""
    store = fp.OfflineStore(tmp_path_factory.mktemp("retail") / "store")
    declared = project_of(project)
    start, end = declared.partitions.start, declared.partitions.end
    assert start is not None
    assert end is not None
    for asset in declared.assets:
        if not isinstance(asset, fp.TrainingSet) and asset.asset not in LEFT_OUT:
            span = (start, end) if asset.partitioned else None
            materialize_asset(asset, store, span, declared.partitions).raise_if_refused()
    return store


@pytest.fixture(scope="module")
def built(store: fp.OfflineStore) -> BuiltTrainingSet:
    return fp.build_training_set(project.spending_training, store)


def test_a_label_is_what_was_spent_in_the_four_weeks_after_and_nothing_is_0(
    store: fp.OfflineStore, built: BuiltTrainingSet
) -> None:
    visits = store.read("sources/visits").select("household_id", "purchased_at", "spent").collect()
    rows = built.rows.select("household_id", "event_timestamp", "spent_sum_next_28d", "count_next_28d").collect()
    since = pl.col("purchased_at") - pl.col("event_timestamp")
    ahead = (
        rows.select("household_id", "event_timestamp")
        .join(visits, on="household_id")
        .filter(since >= timedelta(0), since < timedelta(days=28))
        .group_by("household_id", "event_timestamp")
        .agg(pl.col("spent").sum(), pl.len().cast(pl.Int64).alias("visits"))
    )
    both = rows.join(ahead, on=["household_id", "event_timestamp"], how="left").with_columns(
        pl.col("spent", "visits").fill_null(0)
    )

    assert both.height == 80_741
    assert both.filter((pl.col("spent") - pl.col("spent_sum_next_28d")).abs() > 1e-6).is_empty()
    assert both.filter(pl.col("visits") != pl.col("count_next_28d")).is_empty()
    assert both.filter(count_next_28d=0).height == 11_765


def test_no_row_trains_whose_label_reaches_into_the_next_part(built: BuiltTrainingSet) -> None:
    rows = built.rows.select("event_timestamp", "label_known_at", "training_part").collect()

    for part, end in PARTS.items():
        known = rows.filter(training_part=part)["label_known_at"].to_list()
        assert known
        assert max(known) <= end
    assert max(rows["label_known_at"].to_list()) <= END
    assert built.manifest["parts"] == {
        "train": 41381,
        "validation": 4630,
        "test": 16218,
        "embargo": 18512,
        "held_out": 0,
    }
    assert built.manifest["rows_not_final"] == 9289


def test_no_feature_of_a_training_row_looks_at_the_month_that_it_predicts(
    store: fp.OfflineStore, built: BuiltTrainingSet
) -> None:
    """What a household spends by the calendar of features and of labels adds up to all that it ever spent."""
    visits = store.read("sources/visits").select("household_id", "purchased_at", "spent").collect()
    rows = built.rows.select("household_id", "event_timestamp", "spent_sum_28d", "spent_sum_next_28d").collect()
    since = pl.col("purchased_at") - pl.col("event_timestamp")
    around = (
        rows.join(visits, on="household_id")
        .filter(since >= -timedelta(days=28), since < timedelta(days=28))
        .group_by("household_id", "event_timestamp")
        .agg(pl.col("spent").sum(), (pl.col("spent_sum_28d") + pl.col("spent_sum_next_28d")).first().alias("both"))
    )

    assert around.height > 70_000
    assert around.filter((pl.col("spent") - pl.col("both")).abs() > 1e-6).is_empty()


def test_values_online_are_those_of_a_training_set_at_that_moment(store: fp.OfflineStore, tmp_path: Path) -> None:
    online, service = fp.online.Lmdb(tmp_path / "online"), project.spending_features
    fp.publish(service, store, online, now=END)
    who = store.read("spines/weekly").select(pl.col("household_id").unique().sort()).collect()

    served = fp.online_features(service, who, online, now=END)
    spine = who.with_columns(event_timestamp=pl.lit(END, pl.Datetime("us", "UTC")))
    offline = fp.historical_features(service, spine, store).collect().drop("event_timestamp")

    assert who.height == 2_468  # the 2,469th came for the first time in the last week of the year
    assert served.select(offline.columns).equals(offline, null_equal=True)


def test_why_explains_what_a_household_spent_on_produce(store: fp.OfflineStore) -> None:
    asked = {"household_id": 7}
    found = fp.why(project.department_spending, "sales_value_sum_produce_28d", asked, "2017-11-27T18:00Z", store)

    assert found.agrees
    assert found.rows["department"].unique().to_list() == ["produce"]
    assert found.value == pytest.approx(found.rows["sales_value"].sum())
