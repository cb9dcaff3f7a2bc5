"""Planted faults, told: what people hear when a fault lasts, comes twice, or is judged in one backfill.

Each fault is planted in a table of its own, published, monitored and told by the platform's own verbs and policy. All
days are drawn from the seed.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.report import table
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.monitoring.alerting import Book, Evaluation, Policy, evaluate_book
from feature_platform.monitoring.alerting.finding import combine_evaluations
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.monitoring.watching.judgements import evaluation_of

BEGIN, END = "<!-- python -m benchmarks.monitoring planted writes from here -->", "<!-- planted to here -->"
DAYS, ROWS = 64, 400
FIRST, AGAIN, LASTS = 40, 50, 16  # the day of a fault, the one when it comes again, and how many days a lasting one has
_START = datetime(2024, 1, 1, tzinfo=UTC)
_WORDS = {
    "opened": "New", "reopened": "Again", "worse": "Worse", "resolved": "Over", "passed": "Began and is over",
    "flapping": "Comes and goes", "digest": "Digest",
}  # fmt: skip
_WAYS = ("lasting", "twice", "one backfill")

Plant = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Planted:
    """A fault of one size; None: nothing is wrong."""

    kind: str
    size: str
    plant: Plant | None = None


@dataclass(frozen=True)
class Told:
    """What was told of a fault in one way: day and event of each message; reminders are only counted."""

    fault: Planted
    way: str
    messages: Sequence[tuple[int, str]]
    reminders: int
    severities: frozenset[str]

    @property
    def expected(self) -> bool:
        """Whether it was told once when it began and once when it was over, and nothing else."""
        wanted = {
            "lasting": [(FIRST, "New"), (FIRST + LASTS + 1, "Over")],
            "twice": [(FIRST, "New"), (FIRST + 2, "Over"), (AGAIN, "Again"), (AGAIN + 2, "Over")],
            "one backfill": [(DAYS - 1, "Began and is over")],
        }[self.way]
        return [*self.messages] == (wanted if self.fault.plant else [])


def _few(share: float) -> Plant:
    return lambda rows: rows.head(round(rows.height * share))


def _level(change: pl.Expr) -> Plant:
    return lambda rows: rows.with_columns(level=change)


def _nulls(share: float) -> Plant:
    kept = pl.int_range(pl.len()) % 100 >= round(100 * share)
    return _level(pl.when(kept).then("level"))


_LEVEL = pl.col("level")
FAULTS = (
    Planted("nothing", ""),
    Planted("rows gone", "90%", _few(0.1)),
    Planted("rows gone", "all", _few(0.0)),
    Planted("every row", "twice", lambda rows: pl.concat([rows, rows])),
    Planted("nulls", "30%", _nulls(0.3)),
    Planted("nulls", "all", _nulls(1.0)),
    Planted("another unit", "x1.609", _level(_LEVEL * 1.609344)),
    Planted("another unit", "x10", _level(_LEVEL * 10)),
    Planted("another unit", "x100", _level(_LEVEL * 100)),
    Planted("another unit", "x1000", _level(_LEVEL * 1000)),
    Planted("shift", "1 sigma", _level(_LEVEL + 4.0)),
    Planted("shift", "2 sigma", _level(_LEVEL + 8.0)),
    Planted("constant", "one value", _level(pl.lit(20.0))),
    Planted("a new category", "60% of rows", lambda rows: rows.with_columns(pl.col("state").replace("open", "ajar"))),
)


def planted(seed: int, faults: Sequence[Planted] = FAULTS) -> list[Told]:
    """Plant every fault in every way and see what is told."""
    found = []
    for fault in faults:
        lasting = _answers(seed, fault, range(FIRST, FIRST + LASTS))
        twice = _answers(seed, fault, (FIRST, AGAIN))
        found += [
            _told(fault, "lasting", lasting), _told(fault, "twice", twice), _told(fault, "one backfill", twice),
        ]  # fmt: skip
    return found


def planted_table(found: Sequence[Told]) -> str:
    """A row for each fault, a column for each way that it was planted in."""
    by = {(each.fault, each.way): each for each in found}
    faults = dict.fromkeys(each.fault for each in found)
    rows = [(fault.kind, fault.size, *(_cell(by[fault, way]) for way in _WAYS)) for fault in faults]
    good = sum(each.expected for each in found)
    head = ("fault", "size", f"lasting, days {FIRST} to {FIRST + LASTS - 1}", f"on days {FIRST} and {AGAIN}", _WAYS[2])
    return f"{table(head, rows)}\n\n{good} of {len(found)} were told once when they began and once when they were over."


def _rows(seed: int, fault: Planted, days: Sequence[int]) -> pl.DataFrame:
    frames = []
    for day in range(DAYS):
        rng = np.random.default_rng((seed, day))
        count = round(ROWS * (0.8 if day % 7 == 6 else 1.0) * rng.uniform(0.97, 1.03))
        clean = pl.DataFrame(
            {
                "sensor": [f"s{each:03d}" for each in rng.integers(0, 120, count)],
                "at": [_START + timedelta(days=day, seconds=each) for each in range(count)],
                "level": rng.normal(20.0, 4.0, count),
                "state": rng.choice(["open", "shut", "fault"], count, p=[0.6, 0.35, 0.05]),
            }
        )
        frames.append(fault.plant(clean) if fault.plant is not None and day in days else clean)
    return pl.concat(frames)


def _answers(seed: int, fault: Planted, days: Sequence[int]) -> Mapping[int, Evaluation]:
    """What monitoring says of each day, as the alerts take it in."""
    end = _START + timedelta(days=DAYS)
    monitor = fp.Monitor(reference="28d", columns=["level", "state"])
    source = fp.Source(
        "readings", fp.sources.Frame(_rows(seed, fault, days)), event_time="at", monitor=monitor, owner="team:plant"
    )
    project = Project("plant", fp.Partitions("daily", start=_START, end=end), order_declarations([source]))
    keys = [f"{_START + timedelta(days=day):%Y-%m-%d}" for day in range(DAYS)]
    with tempfile.TemporaryDirectory() as folder:
        store = fp.OfflineStore(Path(folder))
        fp.materialize(source, store, _START, end, partitions=project.partitions)
        rows = monitor_asset(source, project, store, keys).rows
    return {
        day: evaluation_of(key, source, rows.filter(pl.col("partition") == key), "daily")
        for day, key in enumerate(keys)
    }


def _told(fault: Planted, way: str, answers: Mapping[int, Evaluation]) -> Told:
    """Play the days one after the other, or all on the last one."""
    rounds = {day: [each] for day, each in answers.items()}
    if way == "one backfill":
        rounds = {DAYS - 1: list(answers.values())}
    book, told, reminders, severities = Book(), list[tuple[int, str]](), 0, set[str]()
    for day, evaluations in rounds.items():
        now = _START + timedelta(days=day + 1, hours=6)
        book, messages = evaluate_book(book, combine_evaluations(evaluations), {}, Policy(), now)
        severities |= {each.severity for each in messages}
        reminders += sum(each.event == "reminder" for each in messages)
        told += [(day, _WORDS.get(each.event, each.event)) for each in messages if each.event != "reminder"]
    return Told(fault, way, told, reminders, frozenset(severities))


def _cell(told: Told) -> str:
    words = ", ".join(f"{word} {day}" for day, word in told.messages) or "nothing"
    reminders = f", {told.reminders} reminders" if told.reminders else ""
    severity = "critical: " if "critical" in told.severities else ""
    return f"{severity}{words}{reminders}"
