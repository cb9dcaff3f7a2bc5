"""The number of rows of the windows of a partition, compared with the windows of the reference."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.reference import LEAST_WINDOWS
from feature_platform.compute.drift.scores import INSUFFICIENT
from feature_platform.compute.watches.base import insufficient_data
from feature_platform.compute.watches.calendar import Calendar
from feature_platform.compute.watches.monitored import JUDGED
from feature_platform.compute.watches.volume import MEASURE, Count, judge_volume
from feature_platform.ground.clock import season_of
from feature_platform.ground.findings import FindingKind

STATUS = {None: INSUFFICIENT, True: "unusual", False: "as usual"}


def window_volumes(
    reference: Mapping[datetime, int], current: Mapping[datetime, int], every: int, calendar: Calendar | None
) -> pl.DataFrame:
    """Return one row for each current window, in columns of `JUDGED`, by the rule of the watch `volume`.

    Args:
        calendar: of partitions that are as long as windows; None where they are longer.
    """
    rows = []
    for start, count in current.items():
        before = [
            Count(many, season_of(each, every), _place(calendar, each, many, start)) for each, many in reference.items()
        ]
        season = season_of(start, every)
        if len(reference) < LEAST_WINDOWS:
            result = insufficient_data(None, "warning", MEASURE, f"there are only {len(reference)} windows before it")
        else:
            result = judge_volume(count, season, before, _place(calendar, start, count, start))
        is_known = result.wrong is not None
        rows.append(
            {
                "window": start,
                "kind": FindingKind.VOLUME,
                "metric": "ratio",
                "score": result.score if is_known else None,
                "threshold": result.threshold if is_known else None,
                "found": result.wrong,
                "certain": bool(result.wrong),
                "alarm": bool(result.wrong),
                "status": STATUS[result.wrong],
                "n_reference": sum(reference.values()),
                "n_current": count,
                "n_windows": len(reference),
                "severity": result.severity,
                "measure": result.measure,
                "compared_to": result.compared_to if is_known else None,
                "evidence": result.evidence,
            }
        )
    return pl.DataFrame(rows, schema=JUDGED, orient="row")


def _place(calendar: Calendar | None, start: datetime, rows: int, before: datetime) -> str | None:
    return None if calendar is None else calendar.usual_place(start, rows, before)
