"""Each table has one name: what is made of a kind can be taken apart again, and stored names never change."""

import pytest

from feature_platform.ground.table_names import (
    Beside,
    TableKind,
    is_asset,
    kind_of_table,
    owner_of,
    table_names_of,
)

STORED = {  # what a kind is called in stores that were written before, with the name and the owner of one table
    "sources": ("orders", "sources/orders", "sources/orders"),
    "views": ("spending", "views/spending", "views/spending"),
    "labels": ("bought", "labels/bought", "labels/bought"),
    "spines": ("weekly", "spines/weekly", "spines/weekly"),
    "training_sets": ("buying", "training_sets/buying", "training_sets/buying"),
    "quarantine": ("labels/bought", "quarantine/labels/bought", "labels/bought"),
    "late": ("sources/orders", "late/sources/orders", "sources/orders"),
    "profiles": ("views/spending", "profiles/views/spending", "views/spending"),
    "layouts": ("views/spending", "layouts/views/spending", "views/spending"),
    "states": ("views/spending", "states/views/spending", "views/spending"),
    "monitoring": ("training_sets/buying", "monitoring/training_sets/buying", "training_sets/buying"),
    "pushes": ("orders", "pushes/orders", "sources/orders"),
    "unreadable": ("orders", "unreadable/orders", "sources/orders"),
    "units": ("orders", "units/orders", "sources/orders"),
    "imputation": ("shop", "imputation/shop", "services/shop"),
    "requests": ("shop", "requests/shop", "services/shop"),
    "skew": ("shop", "skew/shop", "services/shop"),
    "consistency": ("shop", "consistency/shop", "services/shop"),
}
OF_THE_STORE = ["runs", "accepted", "holders"]
KINDS = {kind.value: kind for kind in TableKind}


def test_every_kind_has_the_name_that_it_has_in_stores() -> None:
    assert [kind.value for kind in TableKind] == [*STORED, *OF_THE_STORE]


@pytest.mark.parametrize("first", STORED)
def test_a_name_that_is_made_can_be_taken_apart(first: str) -> None:
    kind = KINDS[first]
    name, table, owner = STORED[first]

    assert kind.of(name) == table
    assert type(kind.of(name)) is str
    assert (kind_of_table(table), kind.bare_name(table), owner_of(table)) == (kind, name, owner)
    assert is_asset(table) == (table == owner)


@pytest.mark.parametrize("table", OF_THE_STORE)
def test_a_table_of_the_whole_store_belongs_to_no_declaration(table: str) -> None:
    kind = KINDS[table]

    assert kind.beside is Beside.STORE
    assert type(kind.value) is str
    assert (kind_of_table(table), kind.pattern, owner_of(table), is_asset(table)) == (kind, table, None, False)


@pytest.mark.parametrize(
    "table", ["mine", "mine/orders", "quarantine", "quarantine/orders", "late/runs", "runs/orders"]
)
def test_a_name_that_the_platform_does_not_make_has_no_kind_and_no_owner(table: str) -> None:
    assert (kind_of_table(table), owner_of(table), is_asset(table)) == (None, None, False)


def test_the_tables_of_some_assets_and_services_are_those_that_belong_to_them_and_to_the_store() -> None:
    assets, services = ["sources/orders", "labels/bought"], ["shop"]

    names = list(table_names_of(assets, services))

    assert len(names) == len(set(names)) == 3 + (1 + 6 + 3) + (1 + 6) + 4
    assert {owner_of(name) for name in names} == {None, "sources/orders", "labels/bought", "services/shop"}
    assert {"pushes/orders", "late/sources/orders", "skew/shop", "runs"} <= set(names)
    assert not {"pushes/bought", "units/bought"} & set(names)
