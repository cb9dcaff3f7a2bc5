"""A table that does not say what its source says is found, whoever changed it, and the likely cause is told."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.verification.tracing.traced import Reason
from feature_platform.verification.why import why
from feature_platform_tests.shop import at, customer, daily, source

GRID = fp.Partitions("daily", start=at())


def doubled(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("amount") * 2)


def views(rows: pl.DataFrame, function: Any = lambda rows: rows) -> list[FeatureView]:
    orders = source(rows)
    sums = [fp.Sum("amount", windows=["2d"]), fp.Last("amount", windows=["2d"])]
    trend = {"trend": fp.ratio("amount_sum_2d", "amount_last_2d")}
    return [
        fp.feature_view(entity=customer, source=orders, name="last")(function),
        fp.feature_view(entity=customer, source=orders, aggregations=sums, derive=trend, name="sums")(function),
    ]


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    store = fp.OfflineStore(tmp_path / "store")
    for view in views(daily()):
        fp.materialize(view, store, at(), at(5), partitions=GRID)
    return store


def rewrite(store: fp.OfflineStore, table: str, partition: str, change: Any) -> None:
    """Change the file of a partition, and its size in the log, so that nothing but the values tells."""
    folder = Path(store.root) / "offline" / table
    (file,) = (folder / f"fp_partition={partition}").glob("*.parquet")
    before = file.stat().st_size
    change(pl.read_parquet(file)).write_parquet(file)
    for log in (folder / "_delta_log").glob("*.json"):
        lines = log.read_text().splitlines()
        sizes = f'"size":{before}', f'"size":{file.stat().st_size}'
        log.write_text("\n".join(line.replace(*sizes) if file.name in line else line for line in lines))


def asked(number: int, feature: str, store: fp.OfflineStore, moment: datetime, function: Any = None) -> Any:
    view = views(daily(), function or (lambda rows: rows))[number]
    return why(view, feature, {"customer": "ann"}, moment, store)


def test_a_wrong_value_in_a_file_is_found(store: fp.OfflineStore) -> None:
    wrong = pl.when(customer="ann").then(12.0).otherwise("amount").alias("amount")
    rewrite(store, "views/last", "2024-01-03", lambda rows: rows.with_columns(wrong))
    found = asked(0, "amount", store, at(3))
    assert (found.value, found.stored, found.again, found.agrees, found.differs) == (12.0, 12.0, 10.0, False, True)
    said = "views/last says 12.0 of 2024-01-03T12:00Z, its source says 10.0 of 2024-01-03T12:00Z."
    assert found.steps[-1] == (
        "again",
        f"{said} It was changed past the platform, or its function gives other rows for the same rows.",
    )
    assert not asked(0, "amount", store, at(4)).differs


def test_a_wrong_value_of_a_window_is_found_in_what_is_derived_from_it_too(store: fp.OfflineStore) -> None:
    wrong = pl.when(customer="ann").then(99.0).otherwise("amount_sum_2d").alias("amount_sum_2d")
    rewrite(store, "views/sums", "2024-01-04", lambda rows: rows.with_columns(wrong))
    found = asked(1, "amount_sum_2d", store, at(4))
    assert (found.value, found.again, found.agrees) == (99.0, 20.0, False)
    assert "views/sums says 99.0, its source says 20.0" in str(found)
    derived = asked(1, "trend", store, at(4))
    assert (derived.value, derived.agrees, derived.differs) == (2.0, True, True)
    assert not asked(1, "amount_last_2d", store, at(4)).differs


def test_a_row_that_is_gone_from_a_table_is_found(store: fp.OfflineStore) -> None:
    for table in ("views/last", "views/sums"):
        for day in range(1, 6):
            if table == "views/last" or day == 4:
                others = pl.col("customer").is_null() | (pl.col("customer") != "ann")
                rewrite(store, table, f"2024-01-0{day}", lambda rows, others=others: rows.filter(others))
    found = asked(0, "amount", store, at(4, 1))
    assert (found.value, found.reason, found.again, found.agrees) == (None, Reason.NO_ROW, 10.0, False)
    assert "views/last says no row seen by then, its source says 10.0 of 2024-01-04T12:00Z" in str(found)
    window = asked(1, "amount_sum_2d", store, at(4))
    assert (window.value, window.again, window.agrees) == (0.0, 20.0, False)


def test_a_foreign_write_is_named(store: fp.OfflineStore) -> None:
    rows = store.read("views/last", partition_column=True).collect().with_columns(pl.lit(1.0).alias("amount"))
    uri = str(Path(store.root) / "offline" / "views" / "last")
    write_deltalake(uri, rows, mode="overwrite")
    found = asked(0, "amount", store, at(4))
    assert (found.value, found.again, found.agrees) == (1.0, 10.0, False)
    assert found.steps[1][1].endswith("a foreign write: somebody wrote past the platform")
    assert found.steps[-1][1].endswith("It was written past the platform.")


def test_code_that_has_changed_since_is_named(store: fp.OfflineStore) -> None:
    for number, feature in ((0, "amount"), (1, "amount_sum_2d")):
        found = asked(number, feature, store, at(4), doubled)
        assert found.agrees is False
        assert found.again == 2 * found.value
        assert found.steps[-1][1].endswith("Its code has changed since.")
        assert " now" in dict(found.steps)["commit"]


def test_it_is_made_again_from_the_version_that_was_read_and_not_from_a_newer_one(store: fp.OfflineStore) -> None:
    corrected = daily().with_columns(pl.col("amount") + 1)
    newer = views(corrected)
    fp.materialize(newer[0].source, store, at(), at(5), partitions=GRID)
    for number, feature, value in ((0, "amount", 10.0), (1, "amount_sum_2d", 20.0)):
        found = why(newer[number], feature, {"customer": "ann"}, at(4), store)
        assert (found.value, found.agrees, dict(found.steps)["made from"]) == (value, True, "sources/orders@0")
        partitions = "2024-01-03, 2024-01-04" if number else "2024-01-04, 2024-01-05"
        assert found.steps[-1] == (
            "newer",
            f"sources/orders@1 has other rows in {partitions}; a run makes the value again",
        )
    fp.materialize(newer[1], store, at(), at(5), partitions=GRID)
    now = why(newer[1], "amount_sum_2d", {"customer": "ann"}, at(4), store)
    then = why(newer[1], "amount_sum_2d", {"customer": "ann"}, at(4), store, versions={"views/sums": 0})
    assert (now.value, now.agrees, then.value, then.agrees) == (22.0, True, 20.0, True)
    assert "newer" not in dict(then.steps)


def test_a_row_that_came_after_its_partition_was_made_is_not_published(store: fp.OfflineStore) -> None:
    eve = pl.DataFrame({"customer": ["eve"], "at": [at(1)], "amount": [3.0]}, schema=daily().schema)
    newer = views(pl.concat([daily(), eve]))
    fp.materialize(newer[0].source, store, at(), at(5), partitions=GRID)
    found = why(newer[0], "amount", {"customer": "eve"}, at(4), store)
    assert (found.value, found.reason) == (None, Reason.NOT_PUBLISHED)
    assert found.steps[:2] == (
        ("row", "sources/orders@1 makes one of 2024-01-02T00:00Z"),
        ("partition", "2024-01-02 of views/last was made before that"),
    )
    fp.materialize(newer[0], store, at(), at(5), partitions=GRID)
    assert why(newer[0], "amount", {"customer": "eve"}, at(4), store).value == 3.0


def test_a_source_version_that_is_gone_is_said_and_the_value_is_still_told(store: fp.OfflineStore) -> None:
    for file in (Path(store.root) / "offline" / "sources" / "orders").glob("fp_partition=*/*.parquet"):
        file.unlink()
    for number, feature, value in ((0, "amount", 10.0), (1, "amount_sum_2d", 20.0)):
        found = asked(number, feature, store, at(4))
        assert (found.value, found.agrees, found.differs) == (value, None, False)
        assert found.steps[-1][1].startswith("cannot be made again: ")


def test_only_the_partitions_that_are_needed_are_read(store: fp.OfflineStore) -> None:
    """What lies in other partitions is not there any more: nobody may look for it.

    A row is looked for in the partition of the moment, then in two before it.
    """
    needed = {
        "views/last": {"2024-01-02", "2024-01-03", "2024-01-04"},
        "views/sums": {"2024-01-03"},
        "sources/orders": {"2024-01-02", "2024-01-03", "2024-01-04"},
    }
    for table, keys in needed.items():
        for file in (Path(store.root) / "offline" / table).glob("fp_partition=*/*.parquet"):
            if file.parent.name.removeprefix("fp_partition=") not in keys:
                file.unlink()
    for number, feature, value in ((0, "amount", 10.0), (1, "amount_sum_2d", 20.0), (1, "trend", 2.0)):
        found = asked(number, feature, store, at(3, 2) if number == 0 else at(3))
        assert (found.value, found.agrees) == (value, True), str(found)


def test_a_notebook_shows_the_same_with_everything_escaped(store: fp.OfflineStore) -> None:
    found = why(views(daily())[1], "trend", {"customer": "<ann>"}, at(4), store)
    page = found._repr_html_()
    assert "customer=&lt;ann&gt;" in page
    assert "<ann>" not in page
    assert page.count("<table>") == 3  # the answer and its two inputs
    inputs: Any = found.facts()["inputs"]
    assert [each["feature"] for each in inputs] == ["sums.amount_sum_2d", "sums.amount_last_2d"]
