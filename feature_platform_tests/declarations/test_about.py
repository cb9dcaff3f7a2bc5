"""What is said of features reaches the people who read them, and changes no value."""

import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeatureDeprecated, InvalidDeclaration, UnknownName
from feature_platform.orchestration.metadata import column_schema
from feature_platform_tests.cli.test_cli import said
from feature_platform_tests.shop import customer, daily, last_order, source, spending

TREND = fp.About("What was spent in two days.", stage="experimental", tags=["money", "new"], owner="team:money")


MODULE = """
import feature_platform as fp

days = fp.Partitions("daily", start="2024-01-01")
orders = fp.Source("orders", fp.sources.Parquet("orders"), event_time="at")
old = fp.About(stage="deprecated", successor="spending.count_1d", until="YEAR-06-01")
sums = [fp.Sum("amount", windows=["1d"]), fp.Count(windows=["1d"])]

customer = fp.Entity("customer", ["customer"])

@fp.feature_view(entity=customer, source=orders, aggregations=sums, about={"amount_sum_1d": old})
def spending(rows):
    return rows

service = fp.FeatureService("churn", [spending])
"""


def described(**words: Any) -> FeatureView:
    return spending(source(daily()), about={"amount_sum_2d": TREND}, **words)


def test_a_stable_service_reads_no_experimental_feature() -> None:
    view = described()
    with pytest.raises(InvalidDeclaration) as refused:
        fp.FeatureService("churn_v3", [view], stage="stable")
    assert str(refused.value).startswith(
        "Feature service `churn_v3` is stable and reads `spending.amount_sum_2d`, which is experimental."
    )
    fp.FeatureService("churn_v3", [view["count_2d"]], stage="stable")
    fp.FeatureService("churn_v3", [view])
    whole = spending(source(daily()), stage="experimental")
    with pytest.raises(InvalidDeclaration, match=r"`there\.count_2d`, which is experimental"):
        fp.FeatureService("v", [whole.alias("there", keys={"customer": "other"})["count_2d"]], stage="stable")


def test_an_on_demand_feature_counts_as_what_it_reads() -> None:
    view = described()

    @fp.on_demand(inputs=[view])
    def doubled(row: fp.Row) -> dict[str, pl.Expr]:
        return {"doubled": row["spending.amount_sum_2d"] * 2}

    with pytest.raises(InvalidDeclaration, match=r"`spending\.amount_sum_2d`, which is experimental"):
        fp.FeatureService("v", [doubled], stage="stable")


def test_a_deprecated_feature_is_told_with_its_successor() -> None:
    old = fp.About(stage="deprecated", successor="spending.count_2d", until="2024-06-01")
    view = spending(source(daily()), about={"amount_sum_2d": old})
    with pytest.warns(FeatureDeprecated) as told:
        fp.FeatureService("v", [view])
    assert str(told[0].message) == (
        "Feature service `v` reads `spending.amount_sum_2d`, which is deprecated. It goes on 2024-06-01. "
        "Read `spending.count_2d` instead."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fp.FeatureService("v", [view["count_2d"]])


@pytest.mark.parametrize(("year", "code"), [(2024, 1), (2999, 0)])
def test_check_fails_once_a_deprecated_feature_should_have_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int, code: int
) -> None:
    (tmp_path / f"old_{year}.py").write_text(MODULE.replace("YEAR", str(year)))
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = said("check", "--project", f"old_{year}")
    assert result.exit_code == code, result.output
    line = f"churn: `spending.amount_sum_1d` was to go on {year}-06-01. Read `spending.count_1d` instead."
    assert (line in result.stdout) is bool(code)


def test_what_is_said_is_in_the_schemas_and_in_no_version(store: fp.OfflineStore) -> None:
    view, plain = described(), spending(source(daily()))
    assert code_version(view) == code_version(plain)
    published = fp.materialize(view, store)["views/spending"]
    fields = {
        field.name: field.metadata for field in DeltaTable(str(store.location("views/spending").uri)).schema().fields
    }
    columns = {column.name: column for column in column_schema(published.schema, view).columns}

    assert fields["amount_sum_2d"] == {"comment": "What was spent in two days."}
    assert fields["count_2d"] == {}
    assert columns["amount_sum_2d"].description == "What was spent in two days."
    assert columns["amount_sum_2d"].tags == {"money": "", "new": "", "stage": "experimental"}
    assert columns["count_2d"].description is None
    assert fp.materialize(plain, store)["views/spending"].commit.changed == ()

    later = spending(source(daily(6)), about={"count_2d": fp.About("How often.")})
    fp.materialize(later, store)
    fields = {
        field.name: field.metadata for field in DeltaTable(str(store.location("views/spending").uri)).schema().fields
    }
    assert fields["count_2d"] == {"comment": "How often."}
    assert fields["amount_sum_2d"] == {}  # its description is not declared any more


def test_a_row_view_says_nothing_of_what_it_does_not_have(store: fp.OfflineStore) -> None:
    good = last_order(source(daily()), about={"last_amount": fp.About("The last.")})
    fp.materialize(good, store)
    wrong = last_order(source(daily()), about={"amount": fp.About("The last.")})
    with pytest.raises(UnknownName, match=r"about, has no feature `amount`.*last_amount"):
        fp.materialize(wrong, store)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"stage": "beta"}, "has stage='beta'. Use one of experimental, stable, deprecated."),
        ({"tags": "money"}, "has tags='money'. Give a list"),
        ({"tags": ["a b"]}, "has the tag 'a b'. Use letters"),
        ({"about": {"amount_sum_2d": "text"}}, "Give a dict: about="),
        ({"about": {"amount_sum_9d": TREND}}, "about, has no feature `amount_sum_9d`"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: dict[str, Any], sentence: str) -> None:
    with pytest.raises((InvalidDeclaration, UnknownName)) as refused:
        spending(source(daily(1)), **words)
    assert sentence in str(refused.value)


def test_an_end_is_of_what_is_deprecated() -> None:
    with pytest.raises(InvalidDeclaration, match="has a successor or an end, and is not deprecated"):
        fp.About("x", until="2024-01-01")
    about = fp.About("x", stage="deprecated", until="2024-01-01")
    assert about.until == datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert customer.join_keys == ("customer",)
