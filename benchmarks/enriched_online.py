"""What an exact view costs online that other tables enrich, beside the same windows over plain events.

    .venv/bin/python -m benchmarks.enriched_online

500 customers with 200 events each in 30 days, nearly all in reach of windows of 28 days (sum and mean of two columns),
and 20,000 rows of 2,000 products: the price of the product of each event. Asked are one and a hundred customers at a
moment; pushed are an event, and a row of a product. CPU milliseconds, medians; plain and enriched in turn. Then what
both take online, and how reading and pushing grow with the rows that one product has.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

import feature_platform as fp
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import SourceSelection
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.serving.applying import Target
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform.serving.service import ServedService

CUSTOMERS, EVENTS, PRODUCTS, ROWS, ASKED, REPEATS = 500, 200, 2_000, 20_000, 100, 60
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
NOW = START + timedelta(days=30)
HISTORIES = (1_000, 10_000, 100_000)  # rows of one product
_customer = fp.Entity("customer", join_keys=["customer"])
_product = fp.Entity("product", join_keys=["product"])


def main() -> None:
    """Print a table of CPU milliseconds and bytes."""
    with tempfile.TemporaryDirectory() as folder:
        shop = _Shop(Path(folder))
        print("| what | plain, ms | enriched, ms | ratio |\n|---|---|---|---|")
        for name, keys in (("1 key", 1), (f"{ASKED} keys", ASKED)):
            _show(f"a read of {name}", *_in_turn(partial(shop.read, keys), shop.views))
        _show("a push of an event", *_in_turn(shop.push_event, shop.views))
        print(f"| a push of a product's row | | {_milliseconds(lambda: shop.push_price(1), REPEATS):.1f} | |")
        for view in shop.views:
            print(f"bytes of `{view.name}` online: {shop.size(view):,}")
    print("| rows of one product in reach | a read of 1 key, ms | a push of a row of it, ms |\n|---|---|---|")
    for rows in HISTORIES:
        with tempfile.TemporaryDirectory() as folder:
            shop = _Shop(Path(folder), hot=rows)
            reading = _milliseconds(partial(shop.read, 1, shop.views[1]), REPEATS // 3)
            pushing = _milliseconds(partial(shop.push_price, 0), REPEATS // 3)
            print(f"| {rows:,} | {reading:.1f} | {pushing:.1f} |", flush=True)


class _Shop:
    """Both views, published."""

    def __init__(self, folder: Path, hot: int = 0) -> None:
        self.orders = fp.Source("orders", fp.sources.Frame(_events(hot=hot > 0)), event_time="at")
        self.prices = fp.Source("prices", fp.sources.Frame(_prices(hot)), entity=_product, event_time="since")
        self.views = [self._view("plain", []), self._view("enriched", [self.prices["price"]])]
        self.folder, self.online = folder, Lmdb(folder / "online")
        store = fp.OfflineStore(folder / "store")
        for view in self.views:
            fp.materialize(view, store)
            publish(view, store, self.online, now=NOW)
        self.reader = self.online.reader()
        self.spool = Spool(folder / "spool")
        self.targets = [Target([view], self.spool, store, self.online, reader=self.reader) for view in self.views]
        self.served = {view: ServedService(FeatureService(view.name, [view]), self.reader) for view in self.views}
        self.pushed = 0

    def _view(self, name: str, enrich: list[SourceSelection]) -> FeatureView:
        columns = ("x", "price" if enrich else "y")
        asked = [kind(column, windows=["28d"]) for column in columns for kind in (fp.Sum, fp.Mean)]
        declare = fp.feature_view(
            entity=_customer, source=self.orders, enrich=enrich, aggregations=asked, accuracy="exact", name=name
        )
        return declare(lambda rows: rows)

    def read(self, keys: int, view: FeatureView) -> None:
        self.served[view].rows({"customer": list(range(self.pushed % 7, keys + self.pushed % 7))}, keys, NOW)

    def push_event(self, view: FeatureView) -> None:
        self.pushed += 1
        moment = NOW + timedelta(milliseconds=self.pushed)
        row = pl.DataFrame(
            {"customer": [self.pushed % CUSTOMERS], "product": [1], "at": [moment], "x": [1.0], "y": [2.0]},
            schema={"customer": pl.Int64, "product": pl.Int64, "at": UTC, "x": pl.Float64, "y": pl.Float64},
        )
        push(self.orders, row, self.targets[self.views.index(view)], now=moment, to="online")

    def push_price(self, product: int) -> None:
        self.pushed += 1
        moment = NOW + timedelta(milliseconds=self.pushed)
        row = pl.DataFrame({"product": [product], "since": [moment], "price": [1.0]}, schema_overrides={"since": UTC})
        push(self.prices, row, self.targets[1], now=moment, to="online")

    def size(self, view: FeatureView) -> int:
        """Return the bytes of the keys and entries of all its tables."""
        table = self.online.table(view.name)
        names = [view.name, *(table.histories.values() if table else ())]
        return sum(
            len(key) + len(entry)
            for name in names
            for keys in [list(self.online.keys(name))]
            for key, entry in zip(keys, self.reader.get(name, keys)[1], strict=True)
            if entry is not None
        )


def _events(*, hot: bool) -> pl.DataFrame:
    """Make events; half of them of the first product where it is hot."""
    drawn, height = np.random.default_rng(0), CUSTOMERS * EVENTS
    products = drawn.integers(0, PRODUCTS, height) * (drawn.integers(0, 2, height) if hot else 1)
    times = pl.Series(drawn.integers(0, 30 * 86_400_000_000, height)) + pl.Series([START]).cast(pl.Int64).item()
    return pl.DataFrame(
        {
            "customer": np.repeat(np.arange(CUSTOMERS), EVENTS),
            "product": products,
            "at": times.cast(UTC),
            "x": drawn.random(height),
            "y": drawn.random(height),
        }
    )


def _prices(hot: int) -> pl.DataFrame:
    """Make rows of products; so many more of the first one."""
    drawn, height = np.random.default_rng(1), ROWS + hot
    times = pl.Series(drawn.integers(0, 30 * 86_400_000_000, height)) + pl.Series([START]).cast(pl.Int64).item()
    products = np.append(drawn.integers(1, PRODUCTS, ROWS), np.zeros(hot, dtype=np.int64))
    return pl.DataFrame({"product": products, "since": times.cast(UTC), "price": drawn.random(height)})


def _in_turn(work: Callable[[FeatureView], None], views: list[FeatureView]) -> Iterator[float]:
    for view in views:
        work(view)
    times: list[list[float]] = [[] for _ in views]
    for _ in range(REPEATS):
        for view, spent in zip(views, times, strict=True):
            begun = time.process_time()
            work(view)
            spent.append(1_000 * (time.process_time() - begun))
    return map(median, times)


def _milliseconds(work: Callable[[], None], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(1_000 * (time.process_time() - begun))
    return median(times)


def _show(name: str, plain: float, enriched: float) -> None:
    print(f"| {name} | {plain:.1f} | {enriched:.1f} | {enriched / plain:.1f} |", flush=True)


if __name__ == "__main__":
    main()
