"""All columns of a partition together: whether a classifier can separate its rows from rows of the reference.

What counts as much is learnt from the scores of earlier partitions: data that changes with the seasons can always be
separated somewhat. As with a column, a difference has to last, or to be so large that once is enough.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.drift.classifier import LEAST_AUC, ROWS, Separation, measure_separation
from feature_platform.compute.drift.reference import LEAST_WINDOWS, Reference
from feature_platform.compute.drift.scores import DRIFTED, INSUFFICIENT, STABLE
from feature_platform.compute.profiles.counting import sample_rows
from feature_platform.compute.watches.monitored import JUDGED
from feature_platform.declarations.monitor import Monitor
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.judging.snapshot import TableSnapshot
from feature_platform.monitoring.judging.teaching import Teaching

LEARNT = 12  # earlier partitions whose scores say how much is usual
READ_ROWS = 1_000_000  # of the reference, at most; the sample comes from them
READ_PARTITIONS = 12  # spread over the reference, at most
_MOST = 0.995  # a threshold that can still be reached
_CERTAIN = 2.0  # times as far above chance as the threshold
_CHANCE = 0.5
_ALWAYS = 0.99  # a partition that was separated so well teaches nothing: something was wrong, or each can be


def judge_together(
    snapshot: TableSnapshot,
    monitor: Monitor,
    key: str,
    references: Mapping[str, Reference],
    before: pl.DataFrame,
    teaching: Teaching,
) -> pl.DataFrame:
    """Judge all columns together: return one row of `JUDGED`, or none without a reference or with one column.

    Columns whose windows have values of their own, such as ids that grow, are left out: they always identify a window.

    Args:
        references: the windows that each column is compared with.
        before: the answers about earlier partitions of the table, for differences that last.
        teaching: which earlier partitions teach, and their scores.
    """
    low, high = monitor.range_of(*snapshot.bounds(key))
    inside = [each for each in snapshot.between(low, high) if each < key] if low < high else []
    keys = _spread(snapshot, teaching.healthy(inside, key))
    own = {name for name, each in references.items() if each.identifies_windows}
    columns = [name for name in snapshot.table_columns if name not in own]
    if not keys or len(columns) < 2:
        return pl.DataFrame(schema=JUDGED)
    reference, current = (_sample(snapshot, each, columns) for each in (keys, [key]))
    separation = measure_separation(reference, current, columns, monitor.rule.least_rows)
    earlier = [each for each in teaching.scores(key, LEARNT) if each < _ALWAYS]
    row = _row(separation, earlier, monitor, _count_recent(snapshot, monitor, key, before))
    return pl.DataFrame([row], schema=JUDGED, orient="row")


def _count_recent(snapshot: TableSnapshot, monitor: Monitor, key: str, before: pl.DataFrame) -> int:
    """Count the partitions right before this one with a difference, among those that count for one that lasts."""
    others = monitor.rule.sustained[1] - 1
    near = [each for each in snapshot.contents if each < key][-others:] if others else []
    differing = before.filter(
        (pl.col("kind") == FindingKind.MULTIVARIATE) & pl.col("partition").is_in(near) & pl.col("found")
    )
    return differing["partition"].n_unique()


def _row(separation: Separation, earlier: Sequence[float], monitor: Monitor, recent: int) -> dict[str, object]:
    enough = separation.drifted is not None and len(earlier) >= LEAST_WINDOWS
    usual = _CHANCE + monitor.rule.margin * (max(earlier) - _CHANCE) if earlier else LEAST_AUC
    threshold = min(max(LEAST_AUC, usual), _MOST)
    differs = separation.drifted and separation.auc >= threshold if enough else None
    certain = bool(differs) and separation.auc >= min(_CHANCE + _CERTAIN * (threshold - _CHANCE), _MOST)
    names = ", ".join(f"{name} ({loss:.2f})" for name, loss in separation.columns[:5])
    return {
        "kind": FindingKind.MULTIVARIATE,
        "metric": "auc",
        "score": None if separation.drifted is None else separation.auc,
        "threshold": threshold if enough else None,
        "found": differs,
        "certain": certain,
        "alarm": certain or (bool(differs) and recent + 1 >= monitor.rule.sustained[0]),
        "status": INSUFFICIENT if differs is None else DRIFTED if differs else STABLE,
        "p_value": None if separation.drifted is None else separation.p_value,
        "n_reference": separation.n_reference,
        "n_current": separation.n_current,
        "n_windows": len(earlier),
        "severity": "warning",
        "measure": "AUC of a classifier that sees all columns",
        "compared_to": f"{usual:.2f} in {len(earlier)} earlier partitions" if earlier else "no earlier partition",
        "evidence": f"Told apart with an AUC of {separation.auc:.2f}; what gives it away: {names}." if names else None,
    }


def _sample(snapshot: TableSnapshot, keys: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Sample rows over all of some partitions.

    They are the same rows in whatever order the log names its files.
    """
    rows = pl.concat([snapshot.rows([key]) for key in keys]).select(columns)
    return rows.collect() if sum(snapshot.states[key].rows for key in keys) <= ROWS else sample_rows(rows, ROWS)


def _spread(snapshot: TableSnapshot, keys: Sequence[str]) -> list[str]:
    """Return partitions spread over the reference that have no more rows than may be read; at least one."""
    for many in range(min(READ_PARTITIONS, len(keys)), 0, -1):
        chosen = [keys[at * len(keys) // many] for at in range(many)]
        if sum(snapshot.states[each].rows for each in chosen) <= READ_ROWS:
            return chosen
    return list(keys[-1:])
