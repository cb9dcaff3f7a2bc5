"""The three kinds of views, and the questions whose answer depends on the kind."""

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.serving.pushed import is_fed_by
from feature_platform.compute.serving.view_tables import shape_of
from feature_platform.compute.transforms.rows import rows_read, table_rows
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.declarations.windowing import ViewKind

HOUR = 3_600_000_000
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
NINE = datetime(2024, 1, 1, 9, tzinfo=UTC)
EVENTS = pl.LazyFrame({"customer": ["eve"], "amount": [3.0], "note": ["a"], "at": [NINE]})
customer = fp.Entity("customer", join_keys=["customer"])
orders = fp.Source("orders", fp.sources.Frame(EVENTS), event_time="at")


def view_of_kind(kind: ViewKind) -> FeatureView:
    def spending(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("customer", "at", "amount")

    if kind is ViewKind.ROW:
        return fp.feature_view(entity=customer, source=orders)(spending)
    return fp.feature_view(
        entity=customer,
        source=orders,
        aggregations=[fp.Sum("amount", windows=["1h", "6h"])],
        cadence=fp.Cadence(every="12h", lateness="2d"),
        accuracy="exact" if kind is ViewKind.EXACT else "snapshot",
    )(spending)


def stored_columns(view: FeatureView) -> list[str]:
    return table_rows(view, EVENTS, START, END).collect().columns


def served_columns(view: FeatureView) -> list[str]:
    rows = EVENTS if view.read_from is orders else table_rows(view, EVENTS, START, END)
    return list(shape_of(view, rows_read(view, rows).collect_schema()).features)


SUMS = ["amount_sum_1h", "amount_sum_6h"]
QUESTIONS: dict[str, tuple[Callable[[FeatureView], object], object, object, object]] = {
    "does it have windows?": (is_windowed, False, True, True),
    "which features does it declare?": (lambda view: view.declared_features, None, (*SUMS,), (*SUMS,)),
    "how far does it look back?": (lambda view: view.reach_us, 0, 6 * HOUR, 6 * HOUR),
    "how late may an event be?": (lambda view: view.lateness, None, "2d", "2d"),
    "which clock do its rows have?": (lambda view: view.event_time, "at", "as_of", "as_of"),
    "does it close its partitions?": (lambda view: view.closes_right, False, True, True),
    "what is stored?": (
        stored_columns,
        ["customer", "at", "amount"],
        ["customer", "as_of", *SUMS],
        ["customer", "as_of", *SUMS],
    ),
    "which table is read?": (lambda view: view.read_from.asset, "views/spending", "views/spending", "sources/orders"),
    "by which clock?": (lambda view: view.read_from.event_time, "at", "as_of", "at"),
    "what is published online?": (served_columns, ["amount"], SUMS, ["at", "amount"]),
    "does a push change it at once?": (lambda view: is_fed_by(view, orders), True, False, True),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_kind_of_view_has_its_answer(question: str) -> None:
    ask, *answers = QUESTIONS[question]

    assert [ask(view_of_kind(kind)) for kind in ViewKind] == answers


@pytest.mark.parametrize("kind", ViewKind)
def test_a_view_is_of_the_kind_that_it_is_declared_as(kind: ViewKind) -> None:
    assert view_of_kind(kind).kind is kind


def test_a_row_view_has_no_windows_to_give() -> None:
    with pytest.raises(TypeError, match="`spending` is a row view"):
        _ = view_of_kind(ViewKind.ROW).windows
