"""The tables that more than one case reads: 20M rows of 8 features, 200k keys, and 50M events of 100k keys."""

from benchmarks.cases.base import scaled
from benchmarks.shapes import Events, Spine, Table

EVENT_DAYS = 366


def wide(number: int, scale: float) -> Table:
    """One of the tables of 20M x 8; of the first it is known when each row became known."""
    columns = tuple(f"t{number}_f{feature}" for feature in range(8))
    rows, keys = scaled(20_000_000, scale), _keys(scale)
    return Table(f"t{number}", rows=rows, keys=keys, columns=columns, seed=100 + number, known=number == 1)


def spine_of(millions: int, scale: float) -> Spine:
    """Random keys of the wide tables, one in a hundred of them unknown there."""
    keys = _keys(scale) * 101 // 100
    return Spine(f"spine_{millions}m", rows=scaled(millions * 1_000_000, scale), keys=keys, seed=200 + millions)


def events(scale: float) -> Events:
    """A year of events and one day more."""
    rows, keys = scaled(50_000_000, scale, least=EVENT_DAYS), scaled(100_000, scale)
    return Events("events", rows=rows, keys=keys, columns=(), seed=300, days=EVENT_DAYS)


def _keys(scale: float) -> int:
    return scaled(200_000, scale)
