"""Features that are derived from others of their view."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.lineage import column_lineage
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError, InvalidDeclaration, TransformFailed, UnknownName
from feature_platform_tests.shop import at, customer, orders, spine

ROWS = orders(("ann", at(0, 12), 3.0), ("ann", at(1, 12), 6.0), ("bob", at(1, 13), 0.1))
SUMS = [fp.Sum("amount", windows=["1d"]), fp.Sum("amount", windows=["1d"], lag="1d"), fp.Count(windows=["1d"])]
DERIVED = {
    "trend": fp.ratio("amount_sum_1d", "amount_sum_1d_lag_1d"),
    "share": pl.col("amount_sum_1d") / 3,
    "quiet": pl.col("count_1d") == 0,
    "one": pl.lit(1),
}


def view(derive: Any = DERIVED, aggregations: Any = SUMS, **words: Any) -> FeatureView:
    source = fp.Source("orders", fp.sources.Frame(ROWS), event_time="at")
    words = {"entity": customer, "source": source, "aggregations": aggregations, "derive": derive, "name": "v"} | words
    return fp.feature_view(**words)(lambda rows: rows)


@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_each_is_its_expression_over_the_features_of_its_row_and_of_no_key_nothing(
    accuracy: str, tmp_path: Path
) -> None:
    asked = spine(("ann", at(2)), ("bob", at(2)), ("eve", at(2)), (None, at(2)), ("ann", at(1)))
    store = fp.OfflineStore(tmp_path)
    fp.materialize(view(accuracy=accuracy), store)
    found = fp.historical_features(view(accuracy=accuracy), asked, store).collect()
    assert found["trend"].to_list() == [2.0, None, None, None, None]
    assert found["share"].to_list() == [2.0, 0.1 / 3, 0.0, None, 1.0]
    assert found["quiet"].to_list() == [False, False, True, None, False]
    assert found["one"].to_list() == [1, 1, 1, None, 1]
    told = fp.testing.values_at(view(accuracy=accuracy), {"orders": ROWS}, asked).collect()
    assert_frame_equal(found, told)
    some = fp.historical_features(view(accuracy=accuracy)["quiet", "share"], asked, store).collect()
    assert_frame_equal(some, found.select(*asked.columns, "quiet", "share"))


def test_they_are_features_like_others() -> None:
    lineage = column_lineage(view(), ROWS.schema)
    assert lineage["one"] == ()
    assert set(lineage["trend"]) == {"amount", "customer", "at"} & set(lineage["amount_sum_1d"])
    assert view().declared_features == ("amount_sum_1d", "amount_sum_1d_lag_1d", "count_1d", *DERIVED)
    assert view().windows.only({"quiet"}).aggregations == (SUMS[2],)


@pytest.mark.parametrize(
    ("words", "kind", "fault"),
    [
        ({"derive": {"a": "b"}}, InvalidDeclaration, "has derive="),
        ({"derive": [1]}, InvalidDeclaration, 'derive={"trend"'),
        ({"derive": {"a": pl.col("amount")}}, UnknownName, "derive, `a`, has no feature `amount`"),
        ({"derive": {"count_1d": pl.col("count_1d")}}, InvalidDeclaration, "has the feature `count_1d` twice"),
        ({"derive": {"customer": pl.col("count_1d")}}, InvalidDeclaration, "`customer` twice"),
        ({"derive": {"fp_a": pl.col("count_1d")}}, FeaturePlatformError, "fp_a"),
        ({"aggregations": []}, InvalidDeclaration, "derived features but no aggregations"),
    ],
)
def test_what_cannot_be_derived_is_refused(words: dict[str, Any], kind: type[Exception], fault: str) -> None:
    with pytest.raises(kind, match="v") as refused:
        view(**words)
    assert fault in str(refused.value)


@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_expressions_that_look_at_other_rows_or_at_other_types_are_refused(accuracy: str) -> None:
    asked = spine(("ann", at(2)))
    for expression, kind in [
        (pl.col("count_1d").mean(), InvalidDeclaration),
        (pl.col("count_1d") - pl.col("count_1d").shift(), InvalidDeclaration),
        (pl.col("count_1d").str.len_chars(), TransformFailed),
    ]:
        with pytest.raises(kind, match="`v`, derive, `a`"):
            fp.testing.values_at(view({"a": expression}, accuracy=accuracy), {"orders": ROWS}, asked).collect()
