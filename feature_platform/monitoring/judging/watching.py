"""The watches of every table, declared or not: summaries of a partition against those of earlier ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from feature_platform.compute.watches import WATCHES, Observation, WatchResult
from feature_platform.compute.watches.base import ROWS
from feature_platform.compute.watches.monitored import JUDGED
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.judging.snapshot import TableSnapshot
from feature_platform.monitoring.judging.teaching import Teaching
from feature_platform.monitoring.judging.volume import STATUS
from feature_platform.offline.names import WHOLE
from feature_platform.offline.profiles import SUMMARIES, read_summaries

HISTORY = 60  # earlier partitions that a partition is held against: two months of days, the same time of day of hours
VERSIONS = 12  # earlier contents of a table without partitions


@dataclass
class Summaries:
    """The summaries of partitions, and which of them are history for which."""

    rows: pl.DataFrame

    @classmethod
    def of(cls, snapshot: TableSnapshot, keys: Sequence[str]) -> "Summaries":
        """Read the summaries that the watches of some partitions need."""
        if WHOLE in snapshot.contents:  # its versions are read when they are known to teach
            return cls(pl.DataFrame(schema=SUMMARIES))
        wanted = {key: snapshot.contents[key] for key in partitions_to_read(snapshot, keys)}
        return cls(read_summaries(snapshot.store, snapshot.asset.asset, wanted))

    def observations_of(self, snapshot: TableSnapshot, key: str, teaching: Teaching) -> Callable[[str], Observation]:
        """Return a function that gives the observation of a partition for the watch of a kind."""
        now, many = (teaching.name_of(key), VERSIONS) if key == WHOLE else (key, HISTORY)
        near, special = teaching.partitions(now, many)
        wanted = sorted({*near, *(each for some in special.values() for each in some)})
        self._load(teaching.snapshot, [*wanted, now])
        current = self.rows.filter(pl.col("partition") == now)
        earlier = self.rows.filter(pl.col("partition").is_in(wanted)).sort("partition", maintain_order=True)
        taught = {name: each for (_, name), each in special.items() if name is not None}
        seasons = {each: None if key == WHOLE else snapshot.season(each) for each in [*wanted, now]}
        own = {kind: each for (kind, name), each in special.items() if name is None}
        observations = {
            kind: Observation(
                _history(earlier, near, {**taught, ROWS: own.get(kind, near)}),
                current,
                seasons,
                now,
                taught,
                snapshot.calendar,
            )
            for kind in ("", *own)
        }
        return lambda kind: observations.get(kind, observations[""])

    def entities(self, key: str) -> int | None:
        """Return about how many different keys the rows of a partition have; None where they have none."""
        counts = self.rows.filter(pl.col("partition") == key, pl.col("column") == ROWS)["distinct"]
        return int(counts[0]) or None if len(counts) and counts[0] is not None else None

    def _load(self, snapshot: TableSnapshot, keys: Sequence[str]) -> None:
        """Read the summaries of older partitions that teach in the place of others."""
        new = set(keys).difference(self.rows["partition"].unique())
        if new:
            contents = {each: snapshot.contents[each] for each in sorted(new)}
            self.rows = pl.concat([self.rows, read_summaries(snapshot.store, snapshot.asset.asset, contents)])


def _history(rows: pl.DataFrame, near: Sequence[str], taught: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return the rows that teach: of the newest partitions, or of the partitions that teach in their place."""
    usual = ~pl.col("column").is_in(list(taught)) & pl.col("partition").is_in(near)
    other = [(pl.col("column") == name) & pl.col("partition").is_in(keys) for name, keys in taught.items()]
    return rows.filter(pl.any_horizontal(usual, *other))


def partitions_to_read(snapshot: TableSnapshot, keys: Sequence[str]) -> list[str]:
    """Return the committed partitions that the watches look at.

    They are the partitions themselves, and the history of the first.
    """
    ordered = list(snapshot.contents)
    first, last = ordered.index(min(keys)), ordered.index(max(keys))
    return ordered[max(0, first - HISTORY) : last + 1]


def run_watches(
    snapshot: TableSnapshot, key: str, observation_of: Callable[[str], Observation], leave_out: Sequence[str]
) -> pl.DataFrame:
    """Run the watches: return a row for each of their results and one about foreign writes, in columns of `JUDGED`.

    Args:
        looked: what a watch of a kind gets to see.
        leave_out: kinds that are judged otherwise.
    """
    watches = [each for each in WATCHES if each.kind not in leave_out]
    rows = [_row(watch.kind, result) for watch in watches for result in watch.look(observation_of(watch.kind))]
    return pl.DataFrame([*rows, _foreign(snapshot, key)], schema=JUDGED, orient="row")


def _row(kind: str, result: WatchResult) -> dict[str, object]:
    return {
        "kind": kind,
        "column": result.column,
        "score": result.score,
        "threshold": result.threshold,
        "found": result.wrong,
        "certain": bool(result.wrong),
        "alarm": bool(result.wrong),
        "status": STATUS[result.wrong],
        "severity": result.severity,
        "measure": result.measure,
        "compared_to": result.compared_to,
        "evidence": result.evidence,
    }


def _foreign(snapshot: TableSnapshot, key: str) -> dict[str, object]:
    state = snapshot.states[key]
    foreign = state.hash is None
    return {
        "kind": FindingKind.FOREIGN_WRITE,
        "found": foreign,
        "certain": foreign,
        "alarm": foreign,
        "status": STATUS[foreign],
        "severity": "critical",
        "measure": "commits",
        "compared_to": "the platform's own commits",
        "evidence": f"Version {state.version} was not written by the platform."
        if foreign
        else "Written by the platform.",
    }
