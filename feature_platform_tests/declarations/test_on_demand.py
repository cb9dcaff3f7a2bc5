"""On-demand views: what their functions get, what is refused when they are declared, and what a service makes of them."""

# ruff: noqa: E501  (one wrong declaration to a line)

from datetime import datetime
from types import ModuleType

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.project import asset_upstream, kind_of_declaration, project_of
from feature_platform.ground.errors import DuplicateName, InvalidDeclaration, MissingRequestField, UnknownName

UTC = pl.Datetime("us", "UTC")
FRAME = fp.sources.Frame(pl.DataFrame({"k": [1]}))
orders = fp.Source("orders", FRAME, event_time="at", known_at="seen_at")
facts = fp.Source("facts", FRAME)
customer = fp.Entity("customer", ["k"])


def view(name, *, source=orders, **changes):
    return fp.feature_view(entity=customer, source=source, name=name, **changes)(lambda rows: rows)


last = view("last")
spending = view("spending", aggregations=[fp.Sum("x", windows=["1d"]), fp.Count(windows=["1d", "2d"])])
live = view("live", aggregations=[fp.Mean("x", windows=["1h"])], accuracy="exact")
visits = view("visits", aggregations=[fp.Count(windows=["1d"])])
shop = view("shop", source=facts)
payment = fp.Request({"amount": pl.Float64, "paid_at": UTC})


def declared(function, *inputs, **words):
    return fp.on_demand(inputs=list(inputs), **{"name": "risk"} | words)(function)


def reading(name, *inputs):
    """The column that `row[name]` stands for."""
    [found] = declared(lambda row: {"a": row[name]}, *inputs).reads()
    return found


risk = declared(
    lambda row: {
        "share": row["amount"] / row["spending.x_sum_1d"],
        "age": row["paid_at"] - row["last.event_time"],
        "often": row["count_2d"] > 3,
    },
    spending,
    last,
    payment,
)


# ---------------------------------------------------------------- what a function gets


@pytest.mark.parametrize(
    ("name", "inputs", "column"),
    [
        ("amount", [payment], "amount"),
        ("last.x", [last], "last.x"),
        ("x", [last], "last.x"),
        ("x_sum_1d", [spending, payment], "spending.x_sum_1d"),
        ("count_2d", [spending, visits], "spending.count_2d"),
        ("count_2d", [spending, last], "spending.count_2d"),
        ("x", [last["x"], view("other")["y"]], "last.x"),
        ("visits.count_1d", [spending, visits], "visits.count_1d"),
        ("last.event_time", [last["x"]], "last.event_time"),
        ("spending.event_time", [spending["count_1d"]], "spending.event_time"),
        ("live.x_mean_1h", [live], "live.x_mean_1h"),
        ("amount", [view("paid", aggregations=[fp.Rate(pl.col("x") > 1, name="amount", windows=["1d"])]), payment], "amount"),
    ],
)  # fmt: skip
def test_each_input_is_a_column_by_its_name(name, inputs, column):
    assert reading(name, *inputs) == column


def test_the_function_runs_once_when_it_is_declared():
    calls = []

    @fp.on_demand(inputs=[payment], owner="team:risk")
    def doubled(row: fp.Row) -> dict[str, pl.Expr]:
        """Twice the amount."""
        calls.append(row)
        return {"twice": row["amount"] * 2}

    service = fp.FeatureService("s", [doubled])
    assert (doubled.name, doubled.features, doubled.owner) == ("doubled", ("twice",), "team:risk")
    assert doubled.description == "Twice the amount."
    assert service.request == {"amount": pl.Float64()}
    assert len(calls) == 1


def test_it_knows_what_it_reads():
    assert risk.features == ("share", "age", "often")
    assert risk.reads() == ("amount", "spending.x_sum_1d", "paid_at", "last.event_time", "spending.count_2d")
    assert risk.reads(["age"]) == ("paid_at", "last.event_time")
    assert risk.views == (spending, last)
    assert risk["age"].needs == {last: ("event_time",)}
    assert risk["age", "often"].request == {"paid_at": UTC}


def test_requests_are_taken_together_and_selections_of_a_view_too():
    both = declared(
        lambda row: {"a": row["x_sum_1d"] + row["count_1d"] + row["amount"] + row["more"]},
        spending["x_sum_1d"],
        spending["count_1d"],
        payment,
        fp.Request({"more": pl.Int64, "amount": pl.Float64()}),
    )
    assert both.request == {"amount": pl.Float64(), "paid_at": UTC, "more": pl.Int64()}


# ---------------------------------------------------------------- what is refused

a = {"a": pl.lit(1)}
WRONG = {
    "no inputs": (lambda: declared(lambda row: a), InvalidDeclaration, ["On-demand view `risk`", "inputs=[]", "list of views"]),
    "an input without a list": (lambda: fp.on_demand(inputs=last, name="risk")(lambda row: a), InvalidDeclaration, ["`risk`", "FeatureView `last`"]),
    "an input by name": (lambda: declared(lambda row: a, "last"), InvalidDeclaration, ["`risk`", "'last'", "fp.Request"]),
    "a source as an input": (lambda: declared(lambda row: a, orders), InvalidDeclaration, ["`risk`", "Source `orders`"]),
    "an on-demand view as an input": (lambda: declared(lambda row: a, risk), InvalidDeclaration, ["`risk`", "OnDemandView"]),
    "two views of one name": (lambda: declared(lambda row: a, last, view("last")), DuplicateName, ["`last`", "Rename"]),
    "a field with two types": (lambda: declared(lambda row: a, payment, fp.Request({"amount": pl.Int64})), InvalidDeclaration, ["`amount`", "Float64", "Int64"]),
    "no function": (lambda: declared(5, payment), InvalidDeclaration, ["`risk`", "the function 5"]),
    "no name": (lambda: fp.on_demand(inputs=[payment])(lambda row: a), InvalidDeclaration, ["<lambda>", "letters"]),
    "a wrong owner": (lambda: declared(lambda row: {"a": row["amount"]}, payment, owner="bob"), InvalidDeclaration, ["`risk`", "'bob'"]),
    "nothing returned": (lambda: declared(lambda row: None, payment), InvalidDeclaration, ["`risk`", "returned None", "by name"]),
    "no expression": (lambda: declared(lambda row: {}, payment), InvalidDeclaration, ["`risk`", "returned {}"]),
    "an expression without a name": (lambda: declared(lambda row: row["amount"], payment), InvalidDeclaration, ["`risk`", "by name"]),
    "a number": (lambda: declared(lambda row: {"a": 1}, payment), InvalidDeclaration, ["`risk`", "`a` as 1", "expression"]),
    "a wrong feature name": (lambda: declared(lambda row: {"a b": row["amount"]}, payment), InvalidDeclaration, ["`risk`: feature", "'a b'"]),
    "a feature named as a field": (lambda: declared(lambda row: {"amount": row["amount"] * 2}, payment), InvalidDeclaration, ["`risk`", "`amount`", "of its own"]),
    "a feature named as the clock": (lambda: declared(lambda row: {"event_timestamp": row["amount"]}, payment), InvalidDeclaration, ["`event_timestamp`"]),
    "an unknown input": (lambda: reading("sum", spending, payment), UnknownName, ["On-demand view `risk` has no input `sum`", "amount, paid_at, spending.x_sum_1d, spending.count_1d, spending.count_2d, spending.event_time"]),
    "an unknown feature": (lambda: reading("spending.sum", spending, last), UnknownName, ["`spending.sum`", "spending.x_sum_1d", "last.<its features>", "last.event_time"]),
    "a feature that is not selected": (lambda: reading("spending.count_1d", spending["x_sum_1d"]), UnknownName, ["`spending.count_1d`", "spending.x_sum_1d, spending.event_time"]),
    "a view that is no input": (lambda: reading("spending.x_sum_1d", payment), UnknownName, ["`spending.x_sum_1d`", "amount, paid_at"]),
    "a name that is no text": (lambda: reading(5, payment), UnknownName, ["`5`"]),
    "a feature of two views": (lambda: reading("count_1d", spending, visits), InvalidDeclaration, ["`count_1d`", "`spending` and `visits`", 'row["spending.count_1d"]']),
    "a feature that two row views may have": (lambda: reading("x", last, view("other")), InvalidDeclaration, ["`x`", "`last` and `other`"]),
    "a join key": (lambda: reading("last.k", last), InvalidDeclaration, ["`last`", "`k`, a join key or clock"]),
    "the time of an exact view": (lambda: reading("live.event_time", live), InvalidDeclaration, ["`risk`", "`live.event_time`", "moment of the request"]),
    "the time of timeless facts": (lambda: reading("shop.event_time", shop), InvalidDeclaration, ["`risk`", "`shop.event_time`", "at all times"]),
    "a column past the row": (lambda: declared(lambda row: {"a": row["amount"] + pl.col("y")}, payment), UnknownName, ["no input `y`", "amount, paid_at"]),
    "all columns": (lambda: declared(lambda row: {"a": pl.all()}, payment), InvalidDeclaration, ["`a` as several columns"]),
    "a constant": (lambda: declared(lambda row: a, payment), InvalidDeclaration, ["`a` from no input"]),
    "a type error": (lambda: declared(lambda row: {"a": row["amount"].str.len_chars()}, payment), InvalidDeclaration, ["`risk`", "cannot compute `a`", "Float64"]),
    "an undeclared feature asked for": (lambda: risk["rate"], UnknownName, ["On-demand view `risk`", "`rate`", "share, age, often"]),
    "no feature asked for": (lambda: risk[()], InvalidDeclaration, ["`risk`", "no feature"]),
    "a request of nothing": (lambda: fp.Request({}), InvalidDeclaration, ["request", "{}"]),
    "a request without types": (lambda: fp.Request(["amount"]), InvalidDeclaration, ["['amount']"]),
    "a field with a wrong name": (lambda: fp.Request({"a.b": pl.Int64}), InvalidDeclaration, ["Request field 'a.b'"]),
    "a field named as the clock of a spine": (lambda: fp.Request({"event_timestamp": UTC}), InvalidDeclaration, ["`event_timestamp`"]),
    "a field of a Python type": (lambda: fp.Request({"amount": float}), InvalidDeclaration, ["`amount`", "float", "Polars type"]),
    "a field of times without a zone": (lambda: fp.Request({"paid_at": pl.Datetime}), InvalidDeclaration, ["`paid_at`", 'pl.Datetime("us", "UTC")']),
    "a field of times of another zone": (lambda: fp.Request({"paid_at": pl.Datetime("us", "Europe/Oslo")}), InvalidDeclaration, ["`paid_at`", "Europe/Oslo"]),
    "a field that no request can carry": (lambda: fp.Request({"o": pl.Object}), InvalidDeclaration, ["`o`", "Object"]),
    "a field of lists that no request can carry": (lambda: fp.Request({"o": pl.List(pl.Datetime("us"))}), InvalidDeclaration, ["`o`", "List"]),
    "bounds of a text": (lambda: fp.Field(pl.String, between=(0, 1)), InvalidDeclaration, ["String", "numbers, dates and times"]),
    "bounds the wrong way round": (lambda: fp.Field(pl.Float64, between=(1, 0)), InvalidDeclaration, ["(1, 0)", "the least first"]),
    "bounds that are no numbers": (lambda: fp.Field(pl.Float64, between=(0, float("nan"))), InvalidDeclaration, ["nan", "finite"]),
    "bounds that the type does not hold": (lambda: fp.Field(pl.Int8, between=(0, 1000)), InvalidDeclaration, ["Int8", "(0, 1000)"]),
    "broken bounds of whole numbers": (lambda: fp.Field(pl.Int64, between=(0, 0.5)), InvalidDeclaration, ["Int64", "0.5"]),
    "no bound on either side": (lambda: fp.Field(pl.Float64, between=(None, None)), InvalidDeclaration, ["(None, None)", "two finite values"]),
    "bounds of a list": (lambda: fp.Field(pl.List(pl.Float64), between=(0, 1)), InvalidDeclaration, ["List(Float64)", "numbers, dates and times"]),
    "an array of nothing": (lambda: fp.Request({"q": pl.Array(pl.Float32, 0)}), InvalidDeclaration, ["`q`", "shape=(0,)"]),
    "a struct of nothing": (lambda: fp.Request({"q": pl.Struct([])}), InvalidDeclaration, ["`q`", "Struct"]),
    "a struct of what no request can carry": (lambda: fp.Request({"q": pl.Struct({"a": pl.List(pl.Duration)})}), InvalidDeclaration, ["`q`", "Duration"]),
    "one bound": (lambda: fp.Field(pl.Float64, between=5), InvalidDeclaration, ["between=5"]),
    "bounds without a zone": (lambda: fp.Field(UTC, between=(datetime(2024, 1, 1), datetime(2025, 1, 1))), InvalidDeclaration, ["finite"]),
    "clipping without bounds": (lambda: fp.Field(pl.Float64, outside="clip"), InvalidDeclaration, ["no bounds", "between=(0, 1e6)"]),
    "another word for outside": (lambda: fp.Field(pl.Float64, between=(0, 1), outside="drop"), InvalidDeclaration, ["'drop'", '"refuse" or "clip"']),
    "two pairs of bounds for one field": (lambda: declared(lambda row: {"a": row["n"]}, fp.Request({"n": fp.Field(pl.Int64, between=(0, 1))}), fp.Request({"n": fp.Field(pl.Int64, between=(0, 2))})), InvalidDeclaration, ["`n`", "same bounds"]),
    "a service with a feature twice": (lambda: fp.FeatureService("s", [risk["age"], risk["age"]]), InvalidDeclaration, ["`s`", "`age`", "`risk`"]),
    "a service with all and more": (lambda: fp.FeatureService("s", [risk, risk["age"]]), InvalidDeclaration, ["`s`", "all of `risk` and more"]),
    "a service with a feature named as a field": (lambda: fp.FeatureService("s", [last["amount"], risk]), InvalidDeclaration, ["`s`", "`amount`", "the request of `risk`", "`last`"]),
    "a service with one feature from two views": (lambda: fp.FeatureService("s", [last["age"], risk]), InvalidDeclaration, ["`s`", "`age`", "`last`", "`risk`", "full_names=True"]),
    "a service whose hidden view shares a name": (lambda: fp.FeatureService("s", [view("last")["y"], risk]), DuplicateName, ["`last`"]),
    "a service with a view of that name": (lambda: fp.FeatureService("s", [view("risk")["y"], risk]), DuplicateName, ["`risk`"]),
    "a service with a feature named as a hidden join key": (lambda: fp.FeatureService("s", [declared(lambda row: {"k": row["last.x"]}, last)]), InvalidDeclaration, ["`k`", "join keys of `last`"]),
    "a service with a field of two types": (lambda: fp.FeatureService("s", [risk, declared(lambda row: {"b": row["amount"]}, fp.Request({"amount": pl.Int64}), name="other")]), InvalidDeclaration, ["`s`", "`amount`", "Int64"]),
    "an imputation of an undeclared feature": (lambda: fp.FeatureService("s", [risk["age"]], impute={"share": fp.Impute.constant(0)}), UnknownName, ["`share`", "It has: age"]),
    "a spine frame without a request field": (lambda: fp.TrainingSet("t", service=fp.FeatureService("s", [risk["share"]]), spine=pl.DataFrame(schema={"k": pl.Int64, "event_timestamp": UTC})), MissingRequestField, ["`risk`", "`amount`", "k, event_timestamp"]),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_refused_when_it_is_made(wrong):
    declare, error, words = WRONG[wrong]
    with pytest.raises(error) as found:
        declare()
    assert all(word in str(found.value) for word in words), str(found.value)


SEVERAL_ROWS = {
    "an aggregate": lambda x: x.mean(),
    "a deviation from an aggregate": lambda x: x - x.mean(),
    "a row before": lambda x: x.diff(),
    "a running sum": lambda x: x.cum_sum(),
    "a rank": lambda x: x.rank(),
    "a sum of a group": lambda x: x.sum().over(x > 1),
    "a filter": lambda x: x.filter(x > 1),
    "a filled gap": lambda x: x.fill_null(strategy="forward"),
    "the number of rows": lambda x: x + pl.len(),
    "a Python function of all rows": lambda x: x.map_batches(
        lambda values: values - values.min(), return_dtype=pl.Float64
    ),
}


@pytest.mark.parametrize("computed", SEVERAL_ROWS)
@pytest.mark.parametrize("name", ["amount", "last.x"])
def test_what_takes_more_than_one_row_is_refused(computed, name):
    with pytest.raises(InvalidDeclaration, match="computes `a` from more than one row"):
        declared(lambda row: {"a": SEVERAL_ROWS[computed](row[name])}, payment, last)


ONE_ROW = {
    "arithmetic": lambda x: (x + 1) / x,
    "a condition": lambda x: pl.when(x > 1).then(x).otherwise(0),
    "a constant for nulls": lambda x: x.fill_null(0),
    "the first of several": lambda x: pl.coalesce(x, x + 1),
    "the largest of several": lambda x: pl.max_horizontal(x, x + 1),
    "membership": lambda x: x.is_in([1.0, 2.0]),
    "a text": lambda x: pl.format("{} crowns", x),
    "a struct": lambda x: pl.struct(x.alias("p"), (x + 1).alias("q")),
    "a Python function of one value": lambda x: x.map_elements(lambda value: value.hex(), return_dtype=pl.String),
}


@pytest.mark.parametrize("computed", ONE_ROW)
@pytest.mark.parametrize("name", ["amount", "last.x"])
def test_what_takes_one_row_is_accepted(computed, name):
    assert declared(lambda row: {"a": ONE_ROW[computed](row[name])}, payment, last).reads() == (name,)


# ---------------------------------------------------------------- services and projects


def test_a_service_reads_the_views_that_it_lists_and_those_that_it_needs():
    service = fp.FeatureService("s", [visits["count_1d"], risk, live])
    assert service.views == (visits, spending, last, live)
    assert service.needs == {spending: ("x_sum_1d", "count_2d"), last: ("event_time",)}
    assert service.request == {"amount": pl.Float64(), "paid_at": UTC}
    assert [(each.view, each.features) for each in service.on_demand] == [(risk, ("share", "age", "often"))]


def test_a_service_asks_for_no_more_than_the_selected_features_read():
    service = fp.FeatureService("s", [risk["often"]])
    assert (service.views, service.request) == ((spending,), {})
    assert fp.FeatureService("s", [spending["count_1d"]]).on_demand == ()


def test_full_names_begin_with_the_name_of_the_on_demand_view():
    service = fp.FeatureService("s", [last["age"], risk["age"]], full_names=True)
    assert service.column(service.selections[1], "age") == "risk__age"


def module(**values):
    made = ModuleType("projects.shop")
    vars(made).update(values)
    return made


@pytest.mark.parametrize("held", [risk, risk["age"]])
def test_a_project_holds_on_demand_views_and_what_they_read_but_no_table_of_theirs(held):
    project = project_of(module(held=held))
    assert [each.name for each in project.declarations] == ["orders", "spending", "last", "risk"]
    assert [each.asset for each in project.assets] == ["sources/orders", "views/spending", "views/last"]
    assert project.on_demand == (risk,)
    assert kind_of_declaration(risk) == "on-demand view"


def test_two_on_demand_views_need_two_names():
    other = declared(lambda row: {"b": row["amount"]}, payment)
    with pytest.raises(DuplicateName, match="on-demand view `risk`"):
        project_of(module(a=risk, b=other))


def training(*features):
    return fp.TrainingSet("t", service=fp.FeatureService("s", list(features)), spine=orders)


def test_a_training_set_is_made_from_the_tables_behind_on_demand_features():
    both = declared(lambda row: {"b": row["live.x_mean_1h"] + row["last.x"]}, live, last)
    assert asset_upstream(training(both, visits)) == (live, orders, last, visits)
    assert [each.name for each in project_of(module(t=training(risk))).services] == ["s"]


def test_the_code_version_of_a_training_set_changes_with_what_is_computed_on_demand():
    def version(
        function=lambda row: {"a": row["amount"] + 1, "b": row["last.x"]},
        *features,
        source=last,
        field=pl.Float64,
        **words,
    ):
        made = declared(function, source, fp.Request({"amount": field}), **words)
        return code_version(training(made[features] if features else made))

    def one_more(row):
        """Says more."""
        return {"a": row["amount"] + ONE, "b": row["last.x"]}

    def helped(row):
        return {"a": more_than(row["amount"]), "b": row["last.x"]}

    assert version(owner="team:a") == version()
    versions = [version(), version(one_more), version(helped), version(name="other"), version(field=pl.Int64)]
    versions += [version(lambda row: {"a": row["amount"] + 2, "b": row["last.x"]})]
    versions += [code_version(training(declared(one_more, last, payment)["a"])), code_version(training(last))]
    assert len(set(versions)) == len(versions)


ONE = 1


def more_than(x):
    return x + ONE


def test_the_code_version_sees_a_changed_helper_through_the_expression(monkeypatch):
    def helped(row):
        return {"a": more_than(row["amount"])}

    before = code_version(training(declared(helped, payment)))
    assert code_version(training(declared(helped, payment))) == before
    monkeypatch.setitem(globals(), "ONE", 2)
    assert code_version(training(declared(helped, payment))) != before
