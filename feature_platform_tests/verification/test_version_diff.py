"""Two versions of a table compared: by rows, by columns, and from the partitions that differ only."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.verification.version_diff import ColumnDiff, diff_versions
from feature_platform_tests.compute.drawn import drawn
from feature_platform_tests.shop import at, customer, orders, source

pytestmark = pytest.mark.usefixtures("unrecorded")

Row = tuple[str, datetime, float | None]


def publish(store: fp.OfflineStore, rows: list[Row], **more: Any) -> FeatureView:
    frame = orders(*rows).with_columns(**more)
    view = fp.feature_view(entity=customer, source=source(frame), name="rows")(lambda events: events)
    fp.materialize(view, store, at(), at(4), partitions=fp.Partitions("daily", start=at()), gone="taken")
    return view


def test_it_counts_rows_and_says_how_far_columns_are_apart(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    publish(store, [("ann", at(0), 1.0), ("ann", at(1), 4.0), ("bob", at(1), 5.0), ("ann", at(2), 6.0)])
    view = publish(
        store,
        [("ann", at(0), 1.0), ("ann", at(1), 4.5), ("bob", at(1), None), ("eve", at(1), 8.0), ("ann", at(3), 3.0)],
    )
    found = diff_versions(view, store, 0)
    assert (found.before, found.after) == (0, store.latest_version(view.asset))
    assert found.partitions == ("2024-01-02", "2024-01-03", "2024-01-04")
    assert (found.added, found.removed, found.changed) == (2, 1, 2)
    assert found.columns == {"amount": ColumnDiff(rows=2, nulls=1, largest=0.5)}
    assert found.examples.filter(what="changed").rows() == [
        ("ann", at(1), "changed", 4.0, 4.5),
        ("bob", at(1), "changed", 5.0, None),
    ]
    assert str(found).splitlines() == [
        f"views/rows, version 0 to {found.after}: 3 of 4 partitions differ, 2 rows added, 1 removed, 2 changed",
        "  column  rows       from or to null  by up to",
        "  amount  2 changed  1                0.5",
    ]
    assert str(diff_versions(view, store, 0, 0)) == "views/rows, version 0 to 0: the same content"


def test_only_partitions_that_differ_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, read = fp.OfflineStore(tmp_path), list[object]()
    publish(store, [("ann", at(day), 1.0) for day in range(4)])
    view = publish(store, [("ann", at(day), 1.0 + (day == 2)) for day in range(4)])
    whole = fp.OfflineStore.read

    def noting(self: fp.OfflineStore, name: str, **words: Any) -> pl.LazyFrame:
        read.append(words.get("partitions"))
        return whole(self, name, **words)

    monkeypatch.setattr(fp.OfflineStore, "read", noting)
    assert diff_versions(view, store, 0).changed == 1
    assert [each for each in read if each is not None] == [["2024-01-03"]] * 2


def test_columns_that_came_went_or_have_another_type_are_named(tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path)
    publish(store, [("ann", at(), 1.0)], old=pl.lit(1), kind=pl.lit(1))
    view = publish(store, [("ann", at(), 1.0)], new=pl.lit(1), old=pl.lit(2), kind=pl.lit(1))
    found = diff_versions(view, store, 0)
    assert (found.new_columns, found.lost_columns) == (("new",), ())
    assert found.columns == {"old": ColumnDiff(rows=1, nulls=0, largest=1.0)}


AMOUNTS = st.sampled_from([None, 0.0, 1.0, 2.0, float("nan"), float("inf")])
ROWS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 7).map(lambda n: at(n // 2, 6 * (n % 2))), AMOUNTS),
    max_size=8,
).map(lambda rows: list({row[:2]: row for row in rows}.values()))


def _differing(first: list[Row], second: list[Row]) -> Iterator[tuple[float | None, float | None]]:
    other = {row[:2]: row[2] for row in second}
    for who, when, amount in first:
        if (who, when) in other and repr(other[who, when]) != repr(amount):
            yield amount, other[who, when]


@drawn(60)
@given(ROWS, ROWS)
def test_it_is_what_comparing_row_by_row_says(tmp_path_factory: Any, first: list[Row], second: list[Row]) -> None:
    store = fp.OfflineStore(tmp_path_factory.mktemp("store"))
    publish(store, [*first, ("end", at(), 1.0), ("end", at(3), 1.0)])
    before = store.latest_version("views/rows")
    view = publish(store, [*second, ("end", at(), 1.0), ("end", at(3), 1.0)])
    found = diff_versions(view, store, before, examples=100)
    one, other = ({row[:2] for row in rows} for rows in (first, second))
    pairs = list(_differing(first, second))
    assert (found.added, found.removed, found.changed) == (len(other - one), len(one - other), len(pairs))
    nulls = sum(None in pair for pair in pairs)
    assert found.columns == ({"amount": ColumnDiff(len(pairs), nulls, _farthest(pairs))} if pairs else {})
    shown = Counter(found.examples["what"]) if found.examples.height else Counter[str]()
    assert shown == +Counter(added=found.added, removed=found.removed, changed=found.changed)


def _farthest(pairs: list[tuple[float | None, float | None]]) -> float | None:
    apart = [abs(other - one) for one, other in pairs if one is not None and other is not None]
    return max((each for each in apart if each not in (float("inf"),) and each == each), default=None)
