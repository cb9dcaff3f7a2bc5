"""How many rows the windows of a partition have, against the windows of the reference."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_platform.clock import season_of
from feature_platform.compute.drift.watches import Habit
from feature_platform.compute.monitored import JUDGED
from feature_platform.compute.watches.volume import FLOOR, MARGIN

VOLUME = "volume"
STATUS = {None: "insufficient", True: "unusual", False: "as usual"}


def window_volumes(reference: Mapping[datetime, int], current: Mapping[datetime, int], every: int) -> pl.DataFrame:
    """One row for each current window, in columns of `JUDGED`."""
    seasons = [season_of(start, every) for start in reference]
    habit, rows = Habit.of(list(reference.values()), seasons, FLOOR, MARGIN), []
    for start, count in current.items():
        seen = habit.look(count, season_of(start, every))
        usual = count / seen.ratio if seen.unusual is not None else None
        rows.append(
            {
                "window": start,
                "kind": VOLUME,
                "metric": "ratio",
                "score": None if usual is None else seen.ratio,
                "threshold": None if usual is None else seen.threshold,
                "found": seen.unusual,
                "certain": bool(seen.unusual),
                "alarm": bool(seen.unusual),
                "status": STATUS[seen.unusual],
                "n_reference": sum(reference.values()),
                "n_current": count,
                "n_windows": len(reference),
                "severity": "critical" if count == 0 else "warning",
                "measure": "of the usual rows",
                "compared_to": None if usual is None else f"about {max(count, 0.5) / seen.ratio:,.0f} rows",
                "evidence": f"{count:,} rows",
            }
        )
    return pl.DataFrame(rows, schema=JUDGED, orient="row")
