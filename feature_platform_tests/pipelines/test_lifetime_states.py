"""States of lifetimes: with them and without them every value, hash and data version is the same."""

import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.rows import table_rows
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.table_names import owner_of
from feature_platform.offline import CommitStamp
from feature_platform.parts.aggregations import Aggregation
from feature_platform.pipelines.candidates import lifetime_states
from feature_platform.pipelines.candidates.lifetime_states import LifetimeStates
from feature_platform.pipelines.candidates.upstream import Upstream
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import hashes

FIRST = datetime(2024, 1, 20, tzinfo=timezone.utc)
DAY = timedelta(days=1)
UTC = pl.Datetime("us", "UTC")
SCHEMA: dict[str, Any] = {"customer": pl.String, "at": UTC, "known": UTC, "amount": pl.Float64, "shop": pl.String}
EVER = ["lifetime"]
ASKED: list[Aggregation] = [
    fp.Count(windows=["2d", *EVER]),
    fp.Sum("amount", windows=EVER),
    fp.Mean("amount", windows=EVER, where=pl.col("shop") == "a", name="a"),
    fp.Last("shop", windows=EVER),
    fp.TopK("amount", 2, windows=EVER),
]
STATES = "states/views/spending"
NEVER = 2**62


def make_orders(seed: int, count: int = 40) -> pl.DataFrame:
    """Orders of four months, of which some are known up to two months late."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        at = FIRST + chance.randint(0, 100) * DAY + timedelta(hours=chance.choice([0, 6]))
        known = at + chance.choice([0, 0, 1, 20, 60]) * DAY
        rows.append(
            (
                chance.choice(["ann", "bob", None]),
                at,
                known,
                chance.choice([0.1, 0.2, 1e16, -1e16, None]),
                chance.choice("ab"),
            )
        )
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def view_of(orders: pl.DataFrame, asked: Sequence[Aggregation] = ASKED, **words: Any) -> FeatureView:
    source = fp.Source("orders", fp.sources.Frame(orders), event_time="at", known_at=words.pop("known_at", None))
    return fp.feature_view(
        entity=fp.Entity("customer", join_keys=["customer"]),
        source=source,
        aggregations=asked,
        derive={"ratio": fp.ratio("amount_sum_lifetime", "count_lifetime")},
        name="spending",
        **words,
    )(same)


def same(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What windows aggregate."""
    return rows


def make_day(view: FeatureView, store: fp.OfflineStore, day: int) -> None:
    """Make a day of the view from what the store has of its source, or from all of it the first time."""
    if not store.exists("sources/orders"):
        take_in(view, store)
    materialize_asset(view, store, (FIRST + day * DAY, FIRST + (day + 1) * DAY), fp.Partitions()).raise_if_refused()


def take_in(view: FeatureView, store: fp.OfflineStore) -> None:
    assert isinstance(view.source, fp.Source)
    fp.materialize(view.source, store)


def states_in(store: fp.OfflineStore) -> list[str]:
    return sorted(hashes(store, STATES)) if store.exists(STATES) else []


def values_of(
    view: FeatureView, store: fp.OfflineStore, days: Sequence[int]
) -> tuple[dict[str, str | None], pl.DataFrame]:
    """The hashes and the rows of some days."""
    for day in days:
        make_day(view, store, day)
    return dict(hashes(store, view.asset)), store.read(view.asset).collect().sort("customer", "as_of")


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime_states, "WORTH_ROWS", 1)
    monkeypatch.setattr(lifetime_states, "FOLDED_ROWS", 5)


@settings(derandomize=True, deadline=None, max_examples=tries(12, fewest=2), database=None, phases=[Phase.generate])
@given(
    seed=st.integers(0, 10**6),
    known_at=st.sampled_from([None, "known"]),
    tz=st.sampled_from([None, "America/New_York"]),
)
def test_from_states_and_from_all_events_days_are_the_same_in_any_order_whatever_is_corrected(
    seed: int, known_at: str | None, tz: str | None
) -> None:
    chance = random.Random(seed)
    orders = make_orders(seed)
    days = [15, 49, 50, 100]  # clocks in New York go forward on the 50th
    chance.shuffle(days)
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(lifetime_states, "WORTH_ROWS", 1)
        patch.setattr(lifetime_states, "FOLDED_ROWS", 5)
        store = fp.OfflineStore(folder)
        words: dict[str, Any] = {"known_at": known_at, "cadence": fp.Cadence(every="1d", tz=tz)}
        view = view_of(orders, **words)
        take_in(view, store)
        assert_same_from_states(view, store, days)
        later = view_of(pl.concat([orders, make_orders(seed + 1, 3)]), **words)
        take_in(later, store)
        assert_same_from_states(later, store, days)
        store.rollback("sources/orders", 0, stamp=CommitStamp("a person", "sources/orders", ""))
        assert_same_from_states(later, store, days[:2])


def assert_same_from_states(view: FeatureView, store: fp.OfflineStore, days: Sequence[int]) -> None:
    """Compare days that a state makes, read or made anew, with what all events make of them."""
    for day in days:
        source, span = Upstream(view, store, fp.Partitions()), (FIRST + day * DAY, FIRST + (day + 1) * DAY)
        expected = table_rows(view, source.read_events(span), *span).collect()
        made = LifetimeStates(source, store).make_windows(span)
        assert made is not None
        assert_frame_equal(made, expected, check_exact=True)


def test_a_table_has_the_same_content_with_states_and_without(view: FeatureView, tmp_path: Path) -> None:
    contents = []
    for worth in (NEVER, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lifetime_states, "WORTH_ROWS", worth)
            store = fp.OfflineStore(tmp_path / str(worth))
            contents.append(values_of(view, store, [76, 15, 100])[0])
            assert len(states_in(store)) == (0 if worth == NEVER else 2)
    assert contents[0] == contents[1]


@pytest.fixture
def view() -> FeatureView:
    return view_of(make_orders(7), known_at="known")


@pytest.fixture
def expected(view: FeatureView, tmp_path: Path) -> pl.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifetime_states, "WORTH_ROWS", NEVER)
        return values_of(view, fp.OfflineStore(tmp_path / "plain"), [76])[1]


def states_of(view: FeatureView, store: fp.OfflineStore) -> LifetimeStates:
    return LifetimeStates(Upstream(view, store, fp.Partitions()), store)


def test_a_run_makes_the_state_of_its_month_and_the_next_runs_read_it(
    view: FeatureView, store: fp.OfflineStore
) -> None:
    make_day(view, store, 76)
    assert states_in(store) == ["2024-04-01"]
    version = store.latest_version(STATES)
    make_day(view, store, 77)
    make_day(view, store, 78)
    assert store.latest_version(STATES) == version


def test_a_view_of_few_events_keeps_no_state(
    view: FeatureView, store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime_states, "WORTH_ROWS", 1_000_000)
    make_day(view, store, 76)
    assert not store.exists(STATES)


@pytest.mark.parametrize("harm", ["gone", "cut", "empty", "a file", "no log"])
def test_whoever_loses_or_damages_a_state_loses_nothing(
    harm: str, view: FeatureView, store: fp.OfflineStore, expected: pl.DataFrame
) -> None:
    make_day(view, store, 75)
    folder = Path(store.root) / "offline" / STATES
    files = sorted(folder.rglob("*.parquet"))
    assert files
    if harm == "gone":
        shutil.rmtree(folder)
    elif harm == "a file":
        shutil.rmtree(folder)
        folder.write_text("something else")
    elif harm == "no log":
        shutil.rmtree(folder / "_delta_log")
    else:
        files[0].write_bytes(files[0].read_bytes()[:100] if harm == "cut" else b"")
    made = values_of(view, store, [76])[1]
    assert made.filter(pl.col("as_of") == FIRST + 77 * DAY).equals(expected, null_equal=True)


def test_a_run_that_dies_after_its_state_leaves_a_state_that_the_next_one_uses(
    view: FeatureView, store: fp.OfflineStore, expected: pl.DataFrame
) -> None:
    take_in(view, store)
    span = FIRST + 76 * DAY, FIRST + 77 * DAY
    assert states_of(view, store).make_windows(span) is not None  # and then nothing is published
    assert states_in(store) == ["2024-04-01"]
    assert not store.exists(view.asset)
    assert values_of(view, store, [76])[1].equals(expected, null_equal=True)


def test_two_runs_that_make_one_state_at_once_both_have_the_values(
    view: FeatureView, store: fp.OfflineStore, expected: pl.DataFrame
) -> None:
    take_in(view, store)
    span = FIRST + 76 * DAY, FIRST + 77 * DAY
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda _: states_of(view, store).make_windows(span), range(3)))
    assert all(rows is not None and rows.sort("customer", "as_of").equals(expected, null_equal=True) for rows in made)
    assert states_in(store) == ["2024-04-01"]


def test_a_late_row_before_a_state_makes_it_anew(view: FeatureView, store: fp.OfflineStore) -> None:
    make_day(view, store, 76)
    before = hashes(store, STATES)
    late = pl.DataFrame([("ann", FIRST, FIRST, 5.0, "a")], schema=SCHEMA, orient="row")
    later = view_of(pl.concat([make_orders(7), late]), known_at="known")
    take_in(later, store)
    make_day(later, store, 76)  # makes all days that the row reaches
    make_day(later, store, 77)
    assert hashes(store, STATES).keys() == before.keys()
    assert hashes(store, STATES) != before


def test_a_state_of_other_code_is_not_read_and_makes_room_for_the_new_one(store: fp.OfflineStore) -> None:
    orders = make_orders(7)
    make_day(view_of(orders), store, 76)
    table = store.table_id(STATES)
    changed = view_of(orders.with_columns(shop_number=pl.lit(3)), [fp.Max("shop_number", windows=EVER), *ASKED[:2]])
    with TemporaryDirectory() as folder:
        own = fp.OfflineStore(folder)
        make_day(changed, own, 76)
        shutil.copytree(
            Path(store.root) / "offline" / "states", Path(folder) / "offline" / "states", dirs_exist_ok=True
        )
        make_day(changed, own, 77)
        assert own.read(changed.asset).collect()["shop_number_max_lifetime"].drop_nulls().unique().to_list() == [3]
        assert states_in(own) == ["2024-04-01"]
        assert own.table_id(STATES) != table


def test_three_states_are_kept_and_go_with_their_view(view: FeatureView, store: fp.OfflineStore) -> None:
    for day in (15, 48, 76, 100):
        make_day(view, store, day)
    assert states_in(store) == ["2024-02-01", "2024-03-01", "2024-04-01"]
    make_day(view, store, 130)
    assert states_in(store) == ["2024-03-01", "2024-04-01", "2024-05-01"]
    assert owner_of(STATES) == view.asset
    maintained = {each.table: each for each in fp.maintain_all(store)}
    assert STATES in maintained
    version = store.latest_version(STATES)
    make_day(view, store, 131)
    assert store.latest_version(STATES) == version


def test_files_that_are_merged_keep_the_state(view: FeatureView, store: fp.OfflineStore) -> None:
    make_day(view, store, 76)
    fp.maintain_all(store)
    version = store.latest_version(STATES)
    make_day(view, store, 77)
    assert store.latest_version(STATES) == version
