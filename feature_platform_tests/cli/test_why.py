"""`feature-platform why`: people read it, programs read its JSON, and what cannot be asked is one sentence."""

import json
from pathlib import Path

import pytest

from feature_platform_tests.cli.test_cli import said

pytestmark = pytest.mark.usefixtures("unrecorded")

MODULE = """
from datetime import datetime, timezone
import polars as pl
import feature_platform as fp

def at(day):
    return datetime(2024, 1, day, tzinfo=timezone.utc)

days = fp.Partitions("daily", start="2024-01-01", end="2024-01-08")
rows = pl.DataFrame({"customer": [7] * 6, "at": [at(n) for n in range(1, 7)], "amount": [AMOUNT] * 6})
orders = fp.Source("orders", fp.sources.Frame(rows), event_time="at")
customer = fp.Entity("customer", join_keys=["customer"])

@fp.feature_view(entity=customer, source=orders, aggregations=[fp.Sum("amount", windows=["2d"])])
def spending(rows):
    return ROWS

friend = spending.alias("friend", keys={"customer": "friend"})

@fp.on_demand(inputs=[spending, fp.Request({"price": pl.Float64, "on": pl.Date})])
def share(row):
    return {"of_price": row["price"] / row["amount_sum_2d"], "late": row["on"].dt.day() > 3}

zero = fp.Impute.constant(0)
offer = fp.FeatureService("spending", [spending, friend, share], impute={"friend__amount_sum_2d": zero})
asked = pl.DataFrame({"customer": [7, 8], "event_timestamp": [at(4), at(5)]})
trained = fp.TrainingSet("trained", service=fp.FeatureService("plain", [spending]), spine=asked)
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two projects, of which the first made the store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FEATURE_PLATFORM_PROJECT", f"shop_of_{tmp_path.name[-1]}_why")
    text = MODULE.replace("AMOUNT]", "2.5]")
    (tmp_path / f"shop_of_{tmp_path.name[-1]}_why.py").write_text(text.replace("ROWS", "rows"))
    (tmp_path / f"other_{tmp_path.name[-1]}_why.py").write_text(
        text.replace("ROWS", 'rows.with_columns(amount=pl.col("amount") + 1)')
    )
    assert said("materialize").exit_code == 0


AT = ["--at", "2024-01-04T12:00Z"]


def test_it_says_why_and_shows_the_rows() -> None:
    result = said("why", "spending.amount_sum_2d", "--key", "customer=7", *AT)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "spending.amount_sum_2d of customer=7 at 2024-01-04T12:00Z is 5.0 (present)"
    assert "again      made again from its source: 5.0, the same" in result.stdout
    assert "│ 7        ┆ 2024-01-02 00:00:00 UTC ┆ 2.5    │" in lines


def test_json_has_the_same_facts() -> None:
    result = said("why", "views/spending.amount_sum_2d", "--key", "customer=7", "--json", *AT)
    facts = json.loads(result.stdout)
    assert (facts["value"], facts["reason"], facts["agrees"]) == (5.0, "present", True)
    assert facts["rows"][0] == {"customer": 7, "at": "2024-01-02T00:00:00.000000Z", "amount": 2.5}


def test_the_exit_code_tells_that_a_table_does_not_say_what_its_source_says(tmp_path: Path) -> None:
    words = ["--project", f"other_{tmp_path.name[-1]}_why", *AT]
    result = said("why", "spending.amount_sum_2d", "--key", "customer=7", *words)
    assert (result.exit_code, "says 5.0, its source says 7.0. Its code has changed since." in result.stdout) == (
        3,
        True,
    )


def test_aliases_services_and_on_demand_views_are_found() -> None:
    alias = said("why", "friend.amount_sum_2d", "--key", "friend=7", *AT)
    assert alias.stdout.startswith("friend.amount_sum_2d of friend=7 at 2024-01-04T12:00Z is 5.0")
    filled = said("why", "services/spending.friend__amount_sum_2d", "--key", "friend=8", "--at", "2023-12-01")
    assert "spending.friend__amount_sum_2d of friend=8 at 2023-12-01T00:00Z is 0 (filled)" in filled.stdout
    words = ["--key", "customer=7", "--key", "price=1.0", "--key", "on=2024-01-05", *AT]
    assert " is 0.2 (present)" in said("why", "share.of_price", *words).stdout
    assert " is True (present)" in said("why", "share.late", *words).stdout


def test_a_row_of_a_training_set_is_asked_by_its_number() -> None:
    assert said("training-set", "build", "trained").exit_code == 0
    result = said("why", "trained.amount_sum_2d", "--row", "0")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        0,
        "trained.amount_sum_2d of customer=7 at 2024-01-04T00:00Z is 5.0 (present)",
    )
    both = said("why", "training_sets/trained.amount_sum_2d", "--row", "0", *AT)
    assert (both.exit_code, "is one about a row of a training set. Give --row 3" in both.stderr) == (1, True)
    alone = said("why", "spending.amount_sum_2d", "--key", "customer=7")
    assert (alone.exit_code, "is one about a moment. Give --at" in alone.stderr) == (1, True)


def test_a_service_is_asked_although_another_of_its_views_was_never_made(tmp_path: Path) -> None:
    module = f"shop_of_{tmp_path.name[-1]}_why"
    text = (tmp_path / f"{module}.py").read_text()
    never = """
@fp.feature_view(entity=customer, source=orders)
def never(rows):
    return rows

both = fp.FeatureService("both", [never, spending])
"""
    (tmp_path / f"more_{module}.py").write_text(text + never)
    result = said("why", "both.amount_sum_2d", "--key", "customer=7", "--project", f"more_{module}", *AT)
    assert (result.exit_code, " is 5.0 (present)" in result.stdout) == (0, True), result.output


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["spendings.amount_sum_2d"],
            "has no view, service or training set `spendings`. It has: spending, share, friend",
        ),
        (["spending.amount", "--key", "customer=7"], "has no feature `amount`. It has: amount_sum_2d."),
        (["spending"], "The feature is 'spending'. Write VIEW.FEATURE"),
        (["spending.amount_sum_2d"], "The key of feature view `spending`"),
        (["spending.amount_sum_2d", "--key", "customer"], "--key is 'customer'. Write a name, `=` and a value"),
        (["spending.amount_sum_2d", "--key", "customer=ann"], "Int64"),
        (
            ["spending.amount_sum_2d", "--key", "custom=7"],
            "has no join key or request field `custom`. It has: customer.",
        ),
        (["share.of_price", "--key", "customer=7", "--key", "price=much"], "price"),
        (["spending.amount_sum_2d", "--key", "customer=7", "--version", "views/spending=x"], "--version is 'x'"),
        (["spending.amount_sum_2d", "--key", "customer=7", "--version", "views/spending=9"], "views/spending"),
        (["spending.amount_sum_2d", "--key", "customer=7", "--at", "soon"], "is 'soon'. Write an ISO time"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(words: list[str], error: str) -> None:
    result = said("why", *AT, *words)
    assert (result.exit_code, error in result.stderr, result.stderr.count("\n")) == (1, True, 1), result.stderr
