"""Why a training set has a value in a row: from the versions that it was built from."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, TableNotFound, UnknownName, WrongArgument
from feature_platform.verification.tracing.traced import Reason
from feature_platform.verification.why import why_row
from feature_platform_tests.shop import at, customer, daily, source

GRID = fp.Partitions("daily", start=at())
MOMENTS = [("ann", at(1)), ("ann", at(3)), ("eve", at(3)), ("bob", at(4)), ("bob", at(8))]


def declared(rows: pl.DataFrame) -> fp.TrainingSet:
    orders = source(rows)
    last = fp.feature_view(entity=customer, source=orders, ttl="2d", name="last")(lambda rows: rows)
    sums = fp.feature_view(
        entity=customer, source=orders, aggregations=[fp.Sum("amount", windows=["2d"])], accuracy="exact", name="sums"
    )(lambda rows: rows)
    request = fp.Request({"price": pl.Float64})
    share = fp.on_demand(inputs=[sums, request], name="share")(
        lambda row: {"share": row["price"] / row["amount_sum_2d"]}
    )
    service = fp.FeatureService("model", [last, sums, share], impute={"amount": fp.Impute.mean(flag=True)})
    schema: Any = {"customer": pl.String, "event_timestamp": pl.Datetime("us", "UTC")}
    spine = pl.DataFrame(MOMENTS, schema=schema, orient="row").with_columns(price=pl.lit(5.0))
    return fp.TrainingSet("weeks", service=service, spine=spine)


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    store, training = fp.OfflineStore(tmp_path), declared(daily())
    for view in training.service.stored_views:
        fp.materialize(view, store, at(), at(5), partitions=GRID)
    fp.build_training_set(training, store, stale="ignore")
    return store


def test_each_value_of_each_row_is_traced_and_agrees(store: fp.OfflineStore) -> None:
    training, rows = declared(daily()), store.read("training_sets/weeks").collect()
    for column in ("amount", "amount_sum_2d", "share"):
        for row, value in enumerate(rows[column].to_list()):
            found = why_row(training, column, row, store)
            assert (found.value, found.agrees, found.differs) == (value, True, False), str(found)
            assert (found.reason in (Reason.PRESENT, Reason.FILLED)) == (value is not None), str(found)
    gap = why_row(training, "amount", 2, store)
    assert (gap.value, gap.reason, gap.inputs[0].reason) == (10.0, Reason.FILLED, Reason.NO_ROW)
    assert gap.title == "weeks.amount of customer=eve at 2024-01-04T00:00Z is 10.0 (filled)"
    assert why_row(training, "amount", 4, store).inputs[0].reason is Reason.EXPIRED


def test_it_is_asked_of_the_versions_that_it_was_built_from(store: fp.OfflineStore) -> None:
    corrected = declared(daily().with_columns(pl.col("amount") + 1))
    for view in corrected.service.stored_views:
        fp.materialize(view, store, at(), at(5), partitions=GRID)
    for column in ("amount", "amount_sum_2d"):
        old = why_row(corrected, column, 1, store)
        assert (old.value, old.agrees) == ({"amount": 10.0, "amount_sum_2d": 20.0}[column], True), str(old)
        assert "sources/orders@0" in dict(old.steps)["made from"]
    fp.build_training_set(corrected, store, stale="ignore")
    assert why_row(corrected, "amount", 1, store).value == 11.0
    assert why_row(corrected, "amount", 1, store, version=0).value == 10.0


def test_code_that_has_changed_since_is_found(store: fp.OfflineStore) -> None:
    training = declared(daily())
    doubled = fp.feature_view(
        entity=customer,
        source=source(daily()),
        aggregations=[fp.Sum("amount", windows=["2d"])],
        accuracy="exact",
        name="sums",
    )(lambda rows: rows.with_columns(pl.col("amount") * 2))
    other = fp.TrainingSet("weeks", service=fp.FeatureService("model", [doubled]), spine=training.spine)
    found = why_row(other, "amount_sum_2d", 1, store)
    assert (found.value, found.again, found.agrees) == (20.0, 40.0, False)
    assert "training_sets/weeks says 20.0, the versions it was built from say 40.0" in str(found)


def test_what_cannot_be_asked_is_said(store: fp.OfflineStore, tmp_path: Path) -> None:
    training = declared(daily())
    with pytest.raises(UnknownName, match="Training set `weeks` has no column `amounts`"):
        why_row(training, "amounts", 0, store)
    with pytest.raises(InvalidDeclaration, match="its column `price`, is of its spine"):
        why_row(training, "price", 0, store)
    with pytest.raises(InvalidDeclaration, match="says where a gap was filled"):
        why_row(training, "amount_was_missing", 0, store)
    for row in (5, -1):
        with pytest.raises(InvalidDeclaration, match=rf"row, is {row}. It has the rows 0 to 4"):
            why_row(training, "amount", row, store)
    with pytest.raises(TableNotFound):
        why_row(training, "amount", 0, fp.OfflineStore(tmp_path / "empty"))
    with pytest.raises(WrongArgument, match=r"fp\.why_row"):
        why_row(training.service, "amount", 0, store)  # type: ignore[arg-type]
