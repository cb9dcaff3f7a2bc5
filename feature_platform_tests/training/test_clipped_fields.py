"""A training set sees of request fields with bounds what serving sees, and says how many values were replaced."""

from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.field import Field
from feature_platform.ground.errors import OutsideBounds, RequestValuesClipped
from feature_platform.training.sets import BuiltTrainingSet
from feature_platform_tests.shop import at, daily, last_order, source, spine

pytestmark = pytest.mark.usefixtures("unrecorded")


def declared(level: Field, values: list[Any], dtype: Any = pl.Float64, **words: Any) -> fp.TrainingSet:
    last = last_order(source(daily()))

    @fp.on_demand(inputs=[last, fp.Request({"level": level})])
    def compared(row: fp.Row) -> dict[str, pl.Expr]:
        """A level beside the last order."""
        return {"seen": row["level"], "above": row["level"] - row["last_order.last_amount"]}

    moments = spine(*[("ann", at(3))] * len(values)).with_columns(level=pl.Series(values, dtype=dtype))
    service = fp.FeatureService("levels", [compared])
    return fp.TrainingSet("leveled", service=service, spine=moments, **words)


def build(training_set: fp.TrainingSet, store: fp.OfflineStore) -> BuiltTrainingSet:
    fp.materialize(training_set.service.views[0], store)
    return fp.build_training_set(training_set, store)


CLIPPED = Field(pl.Float64, between=(0, 10), outside="clip")


def test_clipped_values_are_computed_at_their_bound_and_counted(store: fp.OfflineStore) -> None:
    built = build(declared(CLIPPED, [-1.0, 4.0, None, 1e300, float("inf")]), store)
    rows = built.rows.collect()
    assert rows["seen"].to_list() == [0.0, 4.0, None, 10.0, 10.0]
    assert rows["level"].to_list() == [-1.0, 4.0, None, 1e300, float("inf")]
    assert built.manifest["clipped"] == {"level": 3}
    assert built.manifest["request_values_clipped"] == 3


def test_a_join_says_how_many_values_it_takes_as_their_bound(store: fp.OfflineStore) -> None:
    training_set = declared(CLIPPED, [-1.0, 4.0, None, 1e300])
    view, moments = training_set.service.views[0], training_set.spine
    fp.materialize(view, store)
    on_demand = training_set.service.on_demand[0].view
    twice = fp.FeatureService("twice", [on_demand["seen"], on_demand["above"]])
    rows = moments.connector.scan("levels").collect() if isinstance(moments, fp.Source) else pl.DataFrame()
    for asked in (rows, rows.lazy()):
        joined = fp.historical_features(twice, asked, store)
        with pytest.warns(RequestValuesClipped, match=r"historical_features: .* the nearest .*: 2 of `level`\."):
            assert joined.collect()["seen"].to_list() == [0.0, 4.0, None, 10.0]
        joined.select("level").collect()  # no feature, no value that is replaced
    inside = rows.with_columns(level=pl.lit(3.0))
    assert fp.historical_features(twice, inside, store).collect()["seen"].to_list() == [3.0] * 4


def test_only_rows_that_stay_are_counted(store: fp.OfflineStore) -> None:
    built = build(declared(CLIPPED, [-1.0, 4.0, 50.0], where=pl.col("level") > 0), store)
    assert built.manifest["clipped"] == {"level": 1}


def test_a_set_whose_fields_are_not_clipped_says_nothing_of_it(store: fp.OfflineStore) -> None:
    built = build(declared(Field(pl.Float64, between=(0, 10)), [1.0]), store)
    assert "clipped" not in built.manifest


def test_a_refused_value_is_named_with_its_row_before_anything_is_written(store: fp.OfflineStore) -> None:
    refused = declared(Field(pl.Float64, between=(0, None)), [1.0, -2.5, -3.0])
    words = r"`level` is below its bounds in row 1 \(-2.5\) and 1 more, .* the spine. It is declared to be at least 0.0"
    with pytest.raises(OutsideBounds, match=words):
        build(refused, store)
    assert not store.exists(refused.asset)


KINDS: list[tuple[Any, Any]] = [(pl.Float64, pl.Float64), (pl.Float32, pl.Float64), (pl.Int16, pl.Int64)]


@settings(phases=[Phase.generate])
@given(
    st.sampled_from(KINDS),
    st.lists(st.none() | st.integers(-300, 300), min_size=1, max_size=6),
    st.tuples(st.none() | st.integers(-100, 0), st.integers(0, 100)),
)
def test_what_is_counted_is_what_was_replaced(
    tmp_path_factory: pytest.TempPathFactory,
    kinds: tuple[Any, Any],
    values: list[int | None],
    between: tuple[int | None, int],
) -> None:
    wanted, sent = kinds
    given_values = [None if each is None else each / 2 if sent == pl.Float64 else each for each in values]
    field = Field(wanted, between=between, outside="clip")
    built = build(declared(field, given_values, sent), fp.OfflineStore(str(tmp_path_factory.mktemp("store"))))
    rows = built.rows.select("level", "seen").collect().rows()
    assert built.manifest["clipped"] == {"level": sum(level != seen for level, seen in rows)}
    least, greatest = between
    for level, seen in rows:
        assert seen == (None if level is None else min(max(level, -1000 if least is None else least), greatest))
