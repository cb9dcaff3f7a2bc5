"""What events cost that are enriched by other tables, in CPU seconds of one process.

    .venv/bin/python -m benchmarks.enrichment [case ...]

5 million events of 100,000 customers in a year, in order of time as tables of sources are, and 100,000 rows of 20,000
products: the newest row of its product for each event. Beside it Polars' `join_asof` of the same frames with its
sorting, the same for events in no order, and windows of 30 days (sums and means of two columns) over plain events, and
over events with one and two enrichments. Each figure is the median of three processes.
"""

import resource
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.children import figures_of_child
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.stretches import changed_stretches, reached_events
from feature_platform.compute.windows import window_features
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC

EVENTS, CUSTOMERS, ROWS, PRODUCTS, MOMENTS, REPEATS = 5_000_000, 100_000, 100_000, 20_000, 500_000, 3
UNORDERED = ", events in no order"
_START, _YEAR = 1_704_067_200_000_000, 365 * 86_400_000_000

_customer = fp.Entity("customer", join_keys=["customer"])
_product = fp.Entity("product", join_keys=["product"])


def make_events() -> pl.DataFrame:
    """Make the events: who, which product, which gift, when, how much."""
    drawn = np.random.default_rng(0)
    times = pl.Series(drawn.integers(_START, _START + _YEAR, EVENTS)).cast(UTC)
    products, gifts = (drawn.integers(0, PRODUCTS, EVENTS) for _ in range(2))
    who, x, y = drawn.integers(0, CUSTOMERS, EVENTS), drawn.random(EVENTS), drawn.random(EVENTS)
    return pl.DataFrame({"customer": who, "product": products, "gift": gifts, "at": times, "x": x, "y": y})


def make_prices() -> pl.DataFrame:
    """Make the rows of the other table: which product, since when, its price."""
    drawn = np.random.default_rng(1)
    times = pl.Series(drawn.integers(_START - _YEAR, _START + _YEAR, ROWS)).cast(UTC)
    return pl.DataFrame({"product": drawn.integers(0, PRODUCTS, ROWS), "since": times, "price": drawn.random(ROWS)})


def make_view(enrichments: int, known_at: str | None = None) -> FeatureView:
    """Declare a view over such events with so many enrichments."""
    empty = pl.DataFrame(schema={"product": pl.Int64, "since": UTC, "price": pl.Float64})
    prices = fp.Source("prices", fp.sources.Frame(empty), entity=_product, event_time="since", known_at=known_at)
    orders = fp.Source("orders", fp.sources.Frame(pl.DataFrame(schema={"at": UTC})), event_time="at")
    enrich = [prices["price"], prices["price"].alias("gift", keys={"product": "gift"})][:enrichments]
    declare = fp.feature_view(
        entity=_customer, source=orders, enrich=enrich, aggregations=[fp.Sum("x", windows=["30d"])], name="spent"
    )
    return declare(lambda rows: rows)


def _enrich(events: pl.DataFrame, prices: pl.DataFrame, enrichments: int) -> pl.LazyFrame:
    return enrich_events(make_view(enrichments), events.lazy(), {"sources/prices": prices.lazy()})


def _windows(enrichments: int) -> Callable[[pl.DataFrame, pl.DataFrame], object]:
    columns = ["price", "gift__price"][:enrichments] + ["x", "y"][enrichments:]
    asked = [kind(column, windows=["30d"]) for column in columns for kind in (fp.Sum, fp.Mean)]

    def run(events: pl.DataFrame, prices: pl.DataFrame) -> object:
        enriched = _enrich(events, prices, enrichments)
        spine = events.select("customer", "at").gather_every(EVENTS // MOMENTS).rename({"at": "t"})
        return window_features(
            spine, enriched, on=["customer"], aggregations=asked, spine_time="t", event_time="at"
        ).collect()

    return run


def _late(events: pl.DataFrame, prices: pl.DataFrame) -> object:
    """Ask for windows over events of which 2% of the rows of the other table are known up to 10 days later."""
    drawn = np.random.default_rng(2)
    days = np.where(drawn.random(ROWS) < 0.02, drawn.integers(0, 10 * 86_400_000_000, ROWS), 0)
    known = prices.with_columns((pl.col("since").to_physical() + pl.Series(days)).cast(UTC).alias("loaded"))
    view = make_view(1, known_at="loaded")
    enriched = enrich_events(view, events.lazy(), {"sources/prices": known.lazy()})
    asked = [kind(column, windows=["30d"]) for column in ("price", "x") for kind in (fp.Sum, fp.Mean)]
    spine = events.select("customer", "at").gather_every(EVENTS // MOMENTS).rename({"at": "t"})
    return window_features(
        spine,
        enriched,
        on=["customer"],
        aggregations=asked,
        spine_time="t",
        event_time="at",
        known_at=view.event_known_at,
        known_until=view.event_known_until,
    ).collect()


def _join_asof(events: pl.DataFrame, prices: pl.DataFrame) -> object:
    left, right = events.sort("at"), prices.sort("since")
    return left.join_asof(right, left_on="at", right_on="since", by="product", check_sortedness=False)


def _changed(events: pl.DataFrame, prices: pl.DataFrame) -> object:
    """Find the days with an event that 100 changed prices reach."""
    by = make_view(1).enrichments[0]
    changed = prices.with_row_index("n").with_columns(
        price=pl.when(pl.col("n") % (ROWS // 100) == 0).then(-1.0).otherwise("price")
    )
    stretches = changed_stretches(prices.select(by.reads), changed.select(by.reads), by)
    narrow = events.lazy().select("product", "at")
    return reached_events(narrow, stretches, by, "at", "a benchmark").select(pl.col("at").dt.date().unique()).collect()


CASES: dict[str, Callable[[pl.DataFrame, pl.DataFrame], object]] = {
    "Polars' join_asof, with its sorting": _join_asof,
    f"Polars' join_asof{UNORDERED}": _join_asof,
    f"one enrichment{UNORDERED}": lambda events, prices: _enrich(events, prices, 1).collect(),
    "one enrichment": lambda events, prices: _enrich(events, prices, 1).collect(),
    "two enrichments": lambda events, prices: _enrich(events, prices, 2).collect(),
    "windows, plain": _windows(0),
    "windows, one enrichment": _windows(1),
    "windows, two enrichments": _windows(2),
    "windows, one enrichment, 2% of its rows late": _late,
    "days that 100 changed rows reach": _changed,
}


def main(words: list[str]) -> None:
    """Print a table of CPU seconds."""
    if words[:1] == ["--child"]:
        print(*measure(words[1]))
        return
    print("| case | CPU s | microseconds an event | peak MB |\n|---|---|---|---|")
    for name in words or CASES:
        figures = [figures_of_child("enrichment", name) for _ in range(REPEATS)]
        seconds, peak = median(each[0] for each in figures), median(each[1] for each in figures)
        print(f"| {name} | {seconds:.2f} | {seconds / EVENTS * 1e6:.2f} | {peak:,.0f} |", flush=True)


def measure(name: str) -> tuple[float, float]:
    """Return the CPU seconds of one call, and the peak of memory in MB, with the frames."""
    events, prices = make_events(), make_prices()
    events = events if name.endswith(UNORDERED) else events.sort("at")
    start = time.process_time()
    CASES[name](events, prices)
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
