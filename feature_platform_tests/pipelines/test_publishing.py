"""Write, audit, publish: what is refused, what is kept of it, what is recorded."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

import feature_platform as fp
from feature_platform.ground.errors import ExpectationsFailed, NotADeltaTable, SchemaChanged, SourceUnreadable
from feature_platform.ground.findings import Severity
from feature_platform.quality.refusal import rows_as_json
from feature_platform_tests.shop import at, customer, daily, last_order, orders, source, spending

NOT_NEGATIVE = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)
SOMEBODY = fp.Expect("expect_column_values_to_not_be_null", column="customer")
FEW = fp.Expect("expect_table_row_count_to_be_between", max_value=3)


def bad(*more: tuple[str | None, datetime, float]) -> pl.DataFrame:
    return pl.concat([daily(2), orders(("bob", at(1, 14), -1.0), *more)])


def quarantined(store: fp.OfflineStore, table: str = "sources/orders") -> list[tuple[str, str | None, Any]]:
    """Expectation, partition and row of what was refused."""
    kept = store.read(f"quarantine/{table}").select("expectation", "partition", "row").collect()
    return [(rule, partition, json.loads(row)) for rule, partition, row in kept.rows()]


def unnamed_files(store: fp.OfflineStore, table: str) -> set[str]:
    """Data files that the newest version of a table does not have."""
    there = {str(file) for file in Path(store.location(table).uri).rglob("*.parquet") if "_delta_log" not in file.parts}
    return there - set(DeltaTable(store.location(table).uri).file_uris())


def records(store: fp.OfflineStore, asset: str) -> list[dict[str, Any]]:
    return store.read("runs").filter(pl.col("asset") == asset).sort("started_at").collect().rows(named=True)


# ---------------------------------------------------------------- refused


def test_a_critical_failure_publishes_nothing_and_keeps_exactly_the_refused_rows(store: fp.OfflineStore) -> None:
    fp.materialize(spending(source(daily(2), expectations=[NOT_NEGATIVE, SOMEBODY])), store)
    before = store.read("sources/orders").collect()

    rows = bad((None, at(0, 9), 4.0), (None, at(0, 10), -2.0))
    with pytest.raises(ExpectationsFailed) as caught:
        fp.materialize(spending(source(rows, expectations=[NOT_NEGATIVE, SOMEBODY])), store)

    assert "`sources/orders` was not published" in str(caught.value)
    assert "expect_column_values_to_be_between__amount" in str(caught.value)
    assert "expect_column_values_to_not_be_null__customer" in str(caught.value)
    assert "`quarantine/sources/orders`" in str(caught.value)
    assert store.latest_version("sources/orders") == 0
    assert store.read("sources/orders").collect().equals(before)
    assert store.latest_version("views/spending") == 0
    assert quarantined(store) == [
        (
            "expect_column_values_to_not_be_null__customer",
            "2024-01-01",
            {"customer": None, "at": "2024-01-01T09:00:00+00:00", "amount": 4.0},
        ),
        (
            "expect_column_values_to_be_between__amount",
            "2024-01-01",
            {"customer": None, "at": "2024-01-01T10:00:00+00:00", "amount": -2.0},
        ),
        (
            "expect_column_values_to_be_between__amount",
            "2024-01-02",
            {"customer": "bob", "at": "2024-01-02T14:00:00+00:00", "amount": -1.0},
        ),
    ]
    assert not unnamed_files(store, "sources/orders")


def test_a_rule_about_the_table_refuses_all_rows(store: fp.OfflineStore) -> None:
    with pytest.raises(ExpectationsFailed, match="expect_table_row_count_to_be_between"):
        fp.materialize(spending(source(daily(2), expectations=[FEW])), store)
    kept = quarantined(store)
    assert [row["customer"] for _, _, row in kept] == ["ann", "bob", "ann", "bob"]
    assert {rule for rule, _, _ in kept} == {"expect_table_row_count_to_be_between"}


def test_a_rule_about_a_column_that_is_not_there_says_so_and_refuses_all_rows(store: fp.OfflineStore) -> None:
    rule = fp.Expect("expect_column_values_to_not_be_null", column="fare")
    with pytest.raises(ExpectationsFailed, match=r"fare.*could not be computed") as caught:
        fp.materialize(spending(source(daily(2), expectations=[rule])), store)
    assert "\n" not in str(caught.value)
    assert len(quarantined(store)) == 4
    assert not store.exists("sources/orders")


def test_a_refused_view_leaves_its_source_published_and_refuses_rows_of_keys_only(store: fp.OfflineStore) -> None:
    rule = fp.Expect("expect_column_values_to_be_between", column="amount_sum_2d", min_value=1)
    rows = orders(("ann", at(0, 12), 0.5), ("bob", at(0, 12), 2.0))
    with pytest.raises(ExpectationsFailed, match="`views/spending`"):
        fp.materialize(spending(source(rows), expectations=[rule]), store)
    assert store.exists("sources/orders")
    [(_, partition, row)] = quarantined(store, "views/spending")
    assert (partition, row["customer"], row["amount_sum_2d"]) == ("2024-01-01", "ann", 0.5)


def test_an_unpartitioned_source_has_no_partition_in_quarantine(store: fp.OfflineStore) -> None:
    with pytest.raises(ExpectationsFailed):
        fp.materialize(last_order(source(bad(), partitioned=False, expectations=[NOT_NEGATIVE])), store)
    assert [(partition, row["amount"]) for _, partition, row in quarantined(store)] == [(None, -1.0)]


def test_rows_without_any_refuse_nothing_but_the_publication(store: fp.OfflineStore) -> None:
    rule = fp.Expect("expect_table_row_count_to_be_between", min_value=1)
    with pytest.raises(ExpectationsFailed):
        fp.materialize(spending(source(orders(), expectations=[rule])), store, at(0), at(1))
    assert quarantined(store) == []
    assert not store.exists("sources/orders")


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_failure_that_is_not_critical_publishes_and_is_recorded(store: fp.OfflineStore, severity: Severity) -> None:
    rule = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0, severity=severity)
    done = fp.materialize(spending(source(bad(), expectations=[rule])), store)
    assert [each.expectation for each in done["sources/orders"].validation.failures] == [rule]
    assert store.read("sources/orders").collect().height == 5
    [record] = records(store, "sources/orders")
    assert [(check["severity"], check["passed"]) for check in record["checks"]] == [(severity, False)]
    assert not store.exists("quarantine/sources/orders")


def test_what_fails_is_shown_with_its_partition_key_and_time(store: fp.OfflineStore) -> None:
    rules = [
        fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0, severity="warning"),
        fp.Expect("expect_column_values_to_not_be_null", column="customer", severity="info"),
        fp.Expect("expect_table_row_count_to_be_between", max_value=3, severity="warning"),
        fp.Expect("expect_column_values_to_not_be_null", column="gone", severity="warning"),
    ]
    done = fp.materialize(spending(source(bad((None, at(0, 9), 4.0)), expectations=rules)), store)

    broken = {name: rows.to_dicts() for name, rows in done["sources/orders"].broken.items()}

    assert list(broken) == [rules[0].check_name, rules[1].check_name]
    day, other = f"{at(1):%Y-%m-%d}", f"{at(0):%Y-%m-%d}"
    assert broken[rules[0].check_name] == [{"partition": day, "at": at(1, 14), "amount": -1.0, "customer": "bob"}]
    assert broken[rules[1].check_name] == [{"partition": other, "at": at(0, 9), "customer": None, "amount": 4.0}]


def test_rows_of_any_type_become_json() -> None:
    moment = datetime(2024, 1, 1, tzinfo=timezone.utc)
    rows = pl.DataFrame({"a": [b"\x00\xff"], "b": [float("nan")], "c": [[1, 2]], "d": [{"x": None}], "e": [moment]})
    assert [json.loads(row) for row in rows_as_json(rows)] == [
        {"a": "00ff", "b": "NaN", "c": [1, 2], "d": {"x": None}, "e": "2024-01-01T00:00:00+00:00"}
    ]


# ---------------------------------------------------------------- recorded


def test_every_run_leaves_one_record_of_how_it_went(store: fp.OfflineStore) -> None:
    good = spending(source(daily(2), expectations=[NOT_NEGATIVE]))
    fp.materialize(good, store)
    fp.materialize(good, store)
    with pytest.raises(ExpectationsFailed):
        fp.materialize(spending(source(bad(), expectations=[NOT_NEGATIVE])), store)
    with pytest.raises(SchemaChanged):
        fp.materialize(spending(source(daily(2).drop("amount"))), store)

    found = records(store, "sources/orders")
    assert [each["outcome"] for each in found] == ["published", "unchanged", "refused", "failed"]
    assert [each["version"] for each in found] == [0, 0, None, None]
    assert [each["rows_out"] for each in found] == [4, 4, 5, None]
    assert [each["error"] is None for each in found] == [True, True, True, False]
    assert "column `amount` (Float64) is missing" in str(found[3]["error"])
    assert json.loads(found[0]["config"])["grain"] == "daily"
    assert len({each["run_id"] for each in found}) == 4
    [first, _] = records(store, "views/spending")
    assert first["inputs_declared"] == [{"table": "sources/orders", "version": 0}]
    assert first["partitions"] == ["2024-01-01", "2024-01-02"]


def test_a_table_that_a_function_reads_itself_is_not_in_the_record_but_that_of_a_source_is(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    prices = tmp_path / "prices"
    for price in (2.0, 3.0):
        write_deltalake(prices, pl.DataFrame({"price": [price]}), mode="overwrite")

    read = source(daily(1), connector=fp.sources.Delta(str(prices)), prepare=lambda rows: daily(1).lazy())

    @fp.feature_view(entity=customer, source=read)
    def priced(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.join(pl.scan_delta(str(prices)), how="cross")

    fp.materialize(priced, store)
    [of_source], [of_view] = records(store, "sources/orders"), records(store, "views/priced")
    opened = [
        [(each["table"].rstrip("/").rsplit("/", 1)[1], each["version"]) for each in record["inputs_opened"]]
        for record in (of_source, of_view)
    ]
    assert opened == [[("prices", 1)], [("orders", 0)]]
    assert [each["table"] for each in of_view["inputs_declared"]] == ["sources/orders"]


def test_an_unreadable_source_leaves_a_record(store: fp.OfflineStore, tmp_path: Path) -> None:
    read = fp.Source("orders", fp.sources.Csv(tmp_path / "none.csv"), event_time="at")
    with pytest.raises(SourceUnreadable):
        fp.materialize(spending(read), store)
    [record] = records(store, "sources/orders")
    assert record["outcome"] == "failed"
    assert "none.csv" in str(record["error"])


def test_a_folder_with_other_peoples_files_is_left_alone(store: fp.OfflineStore) -> None:
    folder = Path(str(store.root)) / "offline" / "views" / "spending"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(NotADeltaTable, match="views/spending"):
        fp.materialize(spending(source(daily(1))), store)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert [each["outcome"] for each in records(store, "views/spending")] == ["failed"]


def test_an_error_is_not_hidden_by_a_record_that_cannot_be_kept(store: fp.OfflineStore, tmp_path: Path) -> None:
    folder = Path(str(store.root)) / "offline" / "runs"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    read = fp.Source("orders", fp.sources.Csv(tmp_path / "none.csv"), event_time="at")
    with pytest.raises(SourceUnreadable) as caught:
        fp.materialize(spending(read), store)
    [note] = caught.value.__notes__
    assert "`runs`" in note
