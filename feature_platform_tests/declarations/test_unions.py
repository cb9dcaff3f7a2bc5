"""A union says what is wrong with its members when it is declared, and with their columns when it is read."""

from types import ModuleType
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.transforms.unions import unite
from feature_platform.declarations.code_version import code_version
from feature_platform.ground.errors import DuplicateName, InvalidDeclaration
from feature_platform_tests.shop import at, customer, orders, same

ROWS = orders(("ann", at(1), 1.0))


def source(name: str, **words: Any) -> fp.Source:
    return fp.Source(name, fp.sources.Frame(ROWS), **{"event_time": "at", **words})


WEB, SHOP = source("web_orders"), source("shop_orders")
BOTH = fp.Union("orders", {"web": WEB, "shop": SHOP}, tag="channel")
ROW = fp.feature_view(entity=customer, source=BOTH, name="row")(same)
LATE = source("late_orders", known_at="seen")
FACTS = fp.Source("facts", fp.sources.Frame(ROWS))
WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no name": ({"web": WEB, "shop": SHOP}, {"name": "all orders"}, "has a name that cannot be an asset key"),
    "a list": ([WEB, SHOP], {}, 'Give sources by name: {"web": web, "shop": shop}.'),
    "a member without a name": ({"": WEB, "shop": SHOP}, {}, "Give sources by name"),
    "none": ({}, {}, "has no members. Give two sources or more"),
    "one": ({"web": WEB}, {}, "has 1 member. Give two sources or more; one is read without a union."),
    "one twice": ({"web": WEB, "shop": WEB}, {}, "has `sources/web_orders` as a member twice. Give each source once."),
    "a union": ({"all": BOTH, "late": LATE}, {}, "has Union `orders` as a member. Give the members of that union"),
    "a view": ({"row": ROW, "web": WEB}, {}, "has FeatureView `row` as a member. Give an fp.Source"),
    "another clock": (
        {"web": WEB, "shop": source("others", event_time="bought_at")},
        {},
        "has `web_orders` with event_time='at' and `others` with event_time='bought_at'. Give both clocks one name",
    ),
    "no clock in one": ({"web": WEB, "facts": FACTS}, {}, "and `facts` with event_time=None"),
    "known-at in one": (
        {"web": WEB, "late": LATE},
        {},
        "has `web_orders` with known_at=None and `late_orders` with known_at='seen'. Give both the clock",
    ),
    "partitions in one": (
        {"web": WEB, "whole": source("whole", partitioned=False)},
        {},
        "with partitioned=True and `whole` with partitioned=False. Say the same of both.",
    ),
    "a clock as the tag": ({"web": WEB, "shop": SHOP}, {"tag": "at"}, "has the tag `at`, a clock of its members"),
    "a reserved tag": ({"web": WEB, "shop": SHOP}, {"tag": "fp_tag"}, "is reserved for columns that the platform adds"),
    "no text as the tag": ({"web": WEB, "shop": SHOP}, {"tag": 3}, "has tag=3"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_it_refuses(wrong: str) -> None:
    members, words, text = WRONG[wrong]
    with pytest.raises(InvalidDeclaration) as error:
        fp.Union(**{"name": "orders", "members": members, **words})
    assert text in str(error.value)


def test_it_enriches_nothing() -> None:
    with pytest.raises(InvalidDeclaration, match="Declare a row view over it and enrich by features of that"):
        BOTH["amount"]


def test_a_column_of_two_types_is_refused_with_both() -> None:
    one, other = ROWS.lazy(), ROWS.with_columns(pl.col("amount").cast(pl.Int64)).lazy()
    with pytest.raises(InvalidDeclaration) as error:
        unite(BOTH, [one, other])
    said = "`web_orders` has `amount` as Float64 and `shop_orders` as Int64. Cast it in `prepare`."
    assert str(error.value) == said


def test_a_tag_that_a_member_has_as_a_column_is_refused() -> None:
    with pytest.raises(InvalidDeclaration, match="has the tag `channel`, and `shop_orders` a column of that name"):
        unite(BOTH, [ROWS.lazy(), ROWS.with_columns(channel=pl.lit("x")).lazy()])


def test_facts_without_a_date_are_united_too() -> None:
    more = fp.Source("more", fp.sources.Frame(ROWS))
    united = unite(fp.Union("all", {"facts": FACTS, "more": more}), [ROWS.lazy(), ROWS.lazy()])
    assert united.collect().height == 2


def test_the_code_version_covers_members_their_order_and_the_tag() -> None:
    def version(union: fp.Union) -> str:
        return code_version(fp.feature_view(entity=customer, source=union, name="row")(same))

    unions = [
        BOTH,
        fp.Union("orders", {"shop": SHOP, "web": WEB}, tag="channel"),
        fp.Union("orders", {"site": WEB, "shop": SHOP}, tag="channel"),
        fp.Union("orders", {"web": WEB, "late": source("other_orders")}, tag="channel"),
        fp.Union("orders", {"web": WEB, "shop": SHOP}, tag="where"),
        fp.Union("orders", {"web": WEB, "shop": SHOP}),
    ]
    assert len({version(each) for each in unions}) == len(unions)
    assert version(fp.Union("orders", {"web": WEB, "shop": SHOP}, tag="channel")) == version(BOTH)


def test_a_project_has_the_members_of_its_unions_and_no_table_of_them() -> None:
    names = {"ROW": ROW, "BOTH": BOTH}
    project = fp.project_of(_module(names))
    assert [each.asset for each in project.assets] == ["sources/web_orders", "sources/shop_orders", "views/row"]
    other = fp.Union("orders", {"shop": SHOP, "web": WEB})
    with pytest.raises(DuplicateName, match="union"):
        fp.project_of(_module({**names, "other": other}))


def _module(values: dict[str, object]) -> Any:
    module = ModuleType("shop")
    vars(module).update(values)
    return module
