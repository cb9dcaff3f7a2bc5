"""The law of pushes to enriched views: online says at every moment what all rows say that are stored or were pushed.

Drawn are pushes of events and of rows that enrich them, in any order, late ones too, and what becomes of them: flushes,
runs, publications, rollbacks, pushes that are applied again. The definition knows of no tiles, histories or tags.
"""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.clock import UTC
from feature_platform.online import Lmdb
from feature_platform.serving.publication import publish
from feature_platform_tests.effort import stories
from feature_platform_tests.serving.enriched_shop import ASKED, DAYS, EnrichedShop
from feature_platform_tests.shop import at

pytestmark = pytest.mark.usefixtures("unrecorded")

Row = tuple[Any, ...]
MOMENTS = st.integers(1, 4 * DAYS - 1).map(lambda number: at(number / 4))
PRODUCTS = st.sampled_from([1, 1, 1, 2, None])
ROWS: dict[str, st.SearchStrategy[Row]] = {
    "orders": st.tuples(
        st.sampled_from(["ann", "ann", "ann", "bob", None]), PRODUCTS, PRODUCTS, MOMENTS, st.sampled_from(["", "test"])
    ),
    "prices": st.tuples(PRODUCTS, MOMENTS, MOMENTS, st.sampled_from([10.0, 20.0, 30.0])),
    "graded": st.tuples(PRODUCTS, MOMENTS, st.integers(0, 4)),
    "kinds": st.tuples(PRODUCTS, st.sampled_from(["toy", "food"])),
}
DELIVERED: dict[str, list[Row]] = {
    "orders": [("ann", 1, 2, at(1), ""), ("ann", 2, None, at(0.8), "test"), ("bob", 1, 1, at(2), "")],
    "prices": [(1, at(0.5), at(0.5), 10.0), (1, at(1), at(2), 20.0), (2, at(0.25), at(1), None)],
    "graded": [(1, at(0.5), 1), (2, at(2), 1)],
    "kinds": [(1, "toy"), (2, "food")],
}  # fmt: skip
PUSHES = ["orders", "orders", "prices", "prices", "graded", "kinds"]
AFTER = ["flush", "publish", "again"]
RUNS = ["run", "publish", "roll-back", "deliver", "flush"]
WAITS = [timedelta(0), timedelta(microseconds=1), timedelta(hours=6), timedelta(days=1)]
KNOWN = pytest.mark.parametrize("known_at", [None, "loaded"])


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, EnrichedShop]:
    """Shops whose sources were run, without and with a known-at clock of prices."""
    made: dict[str | None, EnrichedShop] = {}
    for known_at in (None, "loaded"):
        made[known_at] = EnrichedShop(tmp_path_factory.mktemp("shop"), known_at)
        for name, rows in DELIVERED.items():
            made[known_at].deliver(name, rows)
        made[known_at].run()
        made[known_at].publish(at(1))
        made[known_at].reader.close()
    return made


def happen(shop: EnrichedShop, step: str, now: datetime, rows: list[Row], number: int) -> None:
    match step:
        case "orders" | "prices" | "graded" | "kinds":
            assert shop.push(step, rows, now) == ["spent"]
        case "flush" | "publish" | "again":
            getattr(shop, step)(now)
        case "run":
            shop.run()
        case "roll-back":
            shop.roll_back(number)
        case "deliver":
            name = sorted(ROWS)[number % len(ROWS)]
            shop.deliver(name, [DELIVERED[name][number % len(DELIVERED[name])]])
    shop.check(now)


def tell(shop: EnrichedShop, data: st.DataObject, steps: Sequence[str]) -> None:
    now = at(1)
    for step in data.draw(st.lists(st.sampled_from(steps), min_size=5, max_size=10)):
        rows = data.draw(st.lists(ROWS[step], min_size=1, max_size=3)) if step in ROWS else []
        happen(shop, step, now, rows, data.draw(st.integers(0, 15)))
        now += data.draw(st.sampled_from(WAITS))
    for step in ("flush", "publish") if steps == [*PUSHES, *AFTER] else ("flush", "run", "publish"):
        happen(shop, step, now, [], 0)
    if "run" in steps:
        agree_with_tables(shop, now)
    shop.reader.close()


def begin(shops: dict[str | None, EnrichedShop], known_at: str | None, folder: str) -> EnrichedShop:
    """A copy of a shop that was run and published."""
    made = shops[known_at]
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    delivered = {name: list(rows) for name, rows in made.delivered.items()}
    return EnrichedShop(
        Path(folder), known_at, delivered, held=made.held, served=made.served, runs=list(made.runs), number=made.number
    )


@KNOWN
@stories(40)
@given(data=st.data())
def test_online_says_what_was_pushed_at_once(shops: Any, known_at: str | None, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        tell(begin(shops, known_at, folder), data, [*PUSHES, *AFTER])


@KNOWN
@stories(12)
@given(data=st.data())
def test_online_says_what_runs_made_too(shops: Any, known_at: str | None, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        tell(begin(shops, known_at, folder), data, [*PUSHES, *AFTER, *RUNS])


PRICES = sorted(ROWS).index("prices")
TOLD: dict[str, Row] = {
    "orders": ("ann", 1, 2, at(0.75), ""),
    "prices": (1, at(0.7), at(0.7), 11.0),
    "graded": (1, at(0.7), 2),
    "kinds": (1, "food"),
}


@pytest.mark.parametrize(
    ("known_at", "story"),
    [
        ("loaded", "orders prices graded kinds publish flush publish"),
        (None, "orders orders again flush prices again publish"),
        (None, "orders prices deliver run publish flush run roll-back publish"),
    ],
)
def test_so_it_is_in_stories_that_chance_seldom_tells(
    shops: Any, known_at: str | None, story: str, tmp_path: Path
) -> None:
    shop = begin(shops, known_at, str(tmp_path / "shop"))
    for number, step in enumerate(story.split()):
        happen(
            shop,
            step,
            at(1) + timedelta(minutes=number),
            [TOLD[step]] if step in TOLD else [],
            PRICES if step == "deliver" else 0,
        )
    shop.reader.close()


def agree_with_tables(shop: EnrichedShop, now: datetime) -> None:
    """What is online is what training sees, and what is online when it is published from nothing."""
    view, spine = shop.view(), ASKED.with_columns(event_timestamp=pl.lit(now, UTC))
    wanted = fp.historical_features(view, spine, shop.store).collect().drop("event_timestamp").rows()
    assert shop.answers(now) == wanted
    anew = Lmdb(shop.folder / "anew", map_size=2**22)
    publish(view, shop.store, anew, now=now)
    assert shop.answers(now, anew) == wanted
