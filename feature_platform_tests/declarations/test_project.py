"""A project is every declaration of a module and what those are made from, upstream first."""

from types import ModuleType

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import asset_upstream, is_partitioned, order_declarations, project_of
from feature_platform.ground.errors import DependencyCycle, DuplicateName, InvalidDeclaration, UnknownName

ROWS = pl.DataFrame({"k": [1]})
customer = fp.Entity("customer", ["k"])
DAILY = [fp.Count(windows=["1d"])]


def source(name="orders"):
    return fp.Source(name, fp.sources.Frame(ROWS), event_time="at")


def view(name, over, **changes):
    return fp.feature_view(entity=customer, source=over, name=name, **changes)(lambda rows: rows)


def module(**values):
    made = ModuleType("projects.shop")
    vars(made).update(values)
    return made


def names(declarations):
    return [each.name for each in declarations]


def test_order_is_upstream_first_whatever_the_order_of_the_module():
    orders = source()
    spending = view("spending", orders, aggregations=DAILY)
    trend = view("trend", spending)
    service = fp.FeatureService("shop_v1", [trend])
    training = fp.TrainingSet("shop_training", service=service, spine=source("visits"))
    ordered = names(project_of(module(t=training, s=service, c=trend, b=spending, a=orders)).declarations)
    assert sorted(ordered) == sorted(["orders", "spending", "trend", "shop_v1", "visits", "shop_training"])
    assert [each for each in ordered if each != "visits"] == ["orders", "spending", "trend", "shop_v1", "shop_training"]
    assert ordered.index("visits") < ordered.index("shop_training")


def test_what_a_declaration_is_made_from_is_there_without_being_named():
    label = fp.label(entity=customer, source=source("returns"), name="returned")(lambda rows: rows)
    training = fp.TrainingSet(
        "shop_training",
        service=fp.FeatureService("shop_v1", [view("last", source())["a"]]),
        spine=source("visits"),
        label=label,
    )
    project = project_of(module(training=training))
    assert {each.asset for each in project.assets} == {
        "sources/orders",
        "sources/returns",
        "sources/visits",
        "views/last",
        "labels/returned",
        "training_sets/shop_training",
    }
    assert names(project.services) == ["shop_v1"]


def test_a_selection_stands_for_its_view():
    assert names(project_of(module(chosen=view("last", source())["a"])).declarations) == ["orders", "last"]


def test_two_names_for_one_declaration_are_one():
    orders = source()
    assert names(project_of(module(a=orders, b=orders)).declarations) == ["orders"]


def test_a_project_takes_name_and_partitions_from_its_module():
    monthly = fp.Partitions("monthly")
    project = project_of(module(orders=source(), partitions=monthly, again=monthly))
    assert (project.name, project.partitions) == ("shop", monthly)
    assert project_of(module(orders=source())).partitions == fp.Partitions("daily")
    assert project_of(project) is project


def test_an_asset_is_found_by_the_name_of_its_table():
    project = project_of(module(last=view("last", source())))
    assert project.asset("views/last").name == "last"
    with pytest.raises(
        UnknownName, match=r"Project `shop` has no asset `views/first`. It has: sources/orders, views/last"
    ):
        project.asset("views/first")


def test_a_training_set_reads_tables_not_services():
    orders, visits = source(), source("visits")
    spending = view("spending", orders, aggregations=DAILY)
    live = view("live", orders, aggregations=[fp.Count("k", windows=["1h"])], accuracy="exact")
    training = fp.TrainingSet("t", service=fp.FeatureService("s", [spending, live["k_count_1h"]]), spine=visits)
    assert names(asset_upstream(training)) == ["spending", "live", "orders", "visits"]
    assert asset_upstream(spending) == (orders,)
    assert asset_upstream(orders) == ()


def test_views_are_partitioned_as_their_source_and_training_sets_are_whole():
    facts = fp.Source("facts", fp.sources.Frame(ROWS))
    training = fp.TrainingSet("t", service=fp.FeatureService("s", [view("last", source())]), spine=source("visits"))
    assert [is_partitioned(each) for each in (source(), view("v", source()), facts, view("f", facts), training)] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Module `projects.shop` declares nothing. Declare a source and a view in it."),
        ({"customer": customer, "partitions": fp.Partitions()}, "declares nothing"),
        (
            {"orders": source(), "a": fp.Partitions("daily"), "b": fp.Partitions("monthly")},
            "Module `projects.shop` has several fp.Partitions. A project has one time partitioning; keep one.",
        ),
    ],
)
def test_a_module_declares_something_and_one_partitioning(values, message):
    with pytest.raises(InvalidDeclaration, match=message):
        project_of(module(**values))


def test_two_declarations_of_a_kind_need_two_names():
    with pytest.raises(DuplicateName, match=r"Two declarations are called source `orders`. Rename one of them."):
        project_of(module(a=source(), b=source()))
    with pytest.raises(DuplicateName, match="feature view `last`"):
        project_of(module(a=view("last", source()), b=view("last", source("visits"))))


def test_declarations_of_different_kinds_may_share_a_name():
    assert names(project_of(module(a=source("orders"), b=view("orders", source("raw")))).assets).count("orders") == 2


def test_a_circle_is_refused_and_shown():
    first = view("first", source())
    second = view("second", first)
    object.__setattr__(first, "source", second)
    with pytest.raises(DependencyCycle) as raised:
        order_declarations([second])
    message = str(raised.value)
    assert "feature view `first` -> feature view `second`" in message
    assert message.endswith("Read one of them from a source instead.")
