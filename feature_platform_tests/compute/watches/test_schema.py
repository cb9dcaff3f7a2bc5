"""The watch of columns and their types."""

from feature_platform.compute.watches import Schema
from feature_platform_tests.compute.watches.world import column, day, frame, looked, only, table

BEFORE = [table(0), column(0, "x"), column(0, "old"), table(1), column(1, "x"), column(1, "y", dtype="Int64")]


def said(*columns):
    return Schema().look(looked(BEFORE, [table(2), *columns]))


def test_the_same_columns_in_another_order_are_one_sight_of_the_table():
    (sight,) = said(column(2, "y", dtype="Int64"), column(2, "x"))
    assert (sight.column, sight.wrong) == (None, False)
    assert sight.evidence == f"All 2 columns have the types that they had in partition {day(1)}."


def test_a_column_that_is_gone_is_critical():
    (sight,) = said(column(2, "x"))
    assert (sight.column, sight.wrong, sight.severity) == ("y", True, "critical")
    assert sight.evidence == f"`y` is gone; partition {day(1)} had it."


def test_a_column_that_is_new_is_worth_a_note():
    (sight,) = said(column(2, "x"), column(2, "y", dtype="Int64"), column(2, "ü", dtype="String"))
    assert (sight.column, sight.wrong, sight.severity) == ("ü", True, "info")
    assert sight.evidence == f"`ü` (String) is new; partition {day(1)} did not have it."


def test_a_column_of_another_type_is_critical():
    (sight,) = said(column(2, "x", dtype="String"), column(2, "y", dtype="Int64"))
    assert (sight.column, sight.wrong, sight.severity) == ("x", True, "critical")
    assert sight.evidence == f"`x` is String; it was Float64 in partition {day(1)}."


def test_only_the_newest_earlier_partition_counts():
    assert [sight.wrong for sight in said(column(2, "x"), column(2, "y", dtype="Int64"))] == [False]
    assert [sight.column for sight in said(column(2, "x"), column(2, "y", dtype="Int64"), column(2, "old"))] == ["old"]


def test_a_type_that_nobody_knows_is_no_change():
    (sight,) = said(column(2, "x", dtype="Null"), column(2, "y", dtype=None))
    assert sight.wrong is False


def test_several_changes_are_told_column_by_column_in_order_of_name():
    changes = said(column(2, "x", dtype="String"), column(2, "b"))
    assert [(each.column, each.severity) for each in changes] == [("b", "info"), ("x", "critical"), ("y", "critical")]


def test_an_earlier_version_of_a_table_without_partitions_is_called_so():
    history = frame(BEFORE).with_columns()
    assert history.height
    renamed = [{**row, "partition": "version 000000000012"} for row in (table(0), column(0, "x"))]
    assert only(Schema(), renamed, [table(2), column(2, "x")]).compared_to == "version 12"
