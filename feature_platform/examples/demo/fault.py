"""A fault that no expectation covers: from December on a feed delivers kilometres, and the platform alerts.

It is planted in a store of its own, which is removed afterwards; the pages about it stay.
"""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from feature_platform.declarations.project import Project
from feature_platform.declarations.source import Source
from feature_platform.monitoring.alerting import AlertStore, Policy
from feature_platform.monitoring.comparison import drift_report
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.monitoring.watching import take_in
from feature_platform.offline import OfflineStore
from feature_platform.parts.alert_channels import Message
from feature_platform.parts.sources import Frame
from feature_platform.pipelines.materialization import materialize

_FLIGHTS = "sources/flights"
_COLUMN = "distance"
_KM = 1.609344  # kilometres in a mile
_MONTHS = 7  # with the fault and before: watches of units need five that are good
_BARS, _COLUMNS = "▁▂▃▄▅▆▇█", 44


def show_fault(console: Console, project: Project, store: OfflineStore, folder: Path) -> bool:
    """Show the alert that people would get about the fault, and both distributions; return whether it was caught."""
    source, end = project.asset(_FLIGHTS), project.partitions.end
    if not isinstance(source, Source) or end is None:
        return True
    keys = project.partitions.keys()[-_MONTHS:]
    begins = project.partitions.bounds(keys[-1])[0]
    with console.status("Planting a fault in a copy of December ..."), TemporaryDirectory() as scratch:
        rows = store.read(_FLIGHTS, partitions=keys).collect()
        messages, played = _play_fault(source, _in_kilometres(rows, begins), project, keys, Path(scratch), end)
    columns = [_COLUMN, "air_time", "arr_delay", "dep_delay", "carrier", "origin"]
    before, after = (played.filter(each) for each in (pl.col("arrived_at") < begins, pl.col("arrived_at") >= begins))
    folder.mkdir(parents=True, exist_ok=True)
    title = "A planted fault: distances in kilometres from December on"
    page = drift_report(before, after, columns, title=title).save(folder / "planted-fault.html")
    _show(console, messages, before[_COLUMN], after[_COLUMN], page)
    return any(each.subject.find(_FLIGHTS) >= 0 for each in messages)


def _in_kilometres(rows: pl.DataFrame, begins: datetime) -> pl.DataFrame:
    late = pl.col("arrived_at") >= begins
    wrong = (pl.col(_COLUMN) * _KM).round().cast(rows.schema[_COLUMN])
    return rows.with_columns(pl.when(late).then(wrong).otherwise(_COLUMN).alias(_COLUMN))


def _play_fault(
    source: Source, rows: pl.DataFrame, project: Project, keys: list[str], scratch: Path, now: datetime
) -> tuple[tuple[Message, ...], pl.DataFrame]:
    """Publish the rows, judge December, and take in the findings; return the alerts and the rows."""
    bad = Source(
        source.name,
        Frame(rows),
        event_time=source.event_time,
        monitor=source.monitor,
        owner=source.owner,
    )
    store, played = OfflineStore(scratch), Project(project.name, project.partitions, (bad,))
    start, end = project.partitions.bounds(keys[0])[0], project.partitions.bounds(keys[-1])[1]
    materialize(bad, store, start, end, partitions=project.partitions)
    monitor_asset(bad, played, store, keys[-1:])
    return take_in(played, store, AlertStore(scratch / "alerts"), Policy(), now).messages, rows


def _show(console: Console, messages: tuple[Message, ...], before: pl.Series, after: pl.Series, page: Path) -> None:
    for message in messages[:1]:
        console.print(
            Panel(Text(message.text.strip()), title="A planted fault, and the message about it", expand=False)
        )
    low, high = float(min(before.min(), after.min())), float(max(before.quantile(0.99), after.quantile(0.99)))  # type: ignore[arg-type, type-var]
    for name, values in {"June to November": before, "December": after}.items():
        console.print(f"  {name:>21}  [cyan]{_draw_distribution(values, low, high)}[/]", highlight=False)
    console.print(f"  {'distance':>21}  {low:,.0f}{high:>{_COLUMNS - len(f'{low:,.0f}')},.0f}", highlight=False)
    console.print("  No expectation covers it, since all values are possible. With pictures: ", end="", highlight=False)
    console.print(str(page), highlight=False, soft_wrap=True)


def _draw_distribution(values: pl.Series, low: float, high: float) -> str:
    """Draw a distribution in one line."""
    counts, _ = np.histogram(values.drop_nulls().to_numpy(), bins=_COLUMNS, range=(low, high))
    heights = np.ceil(np.sqrt(counts / max(counts.max(), 1)) * len(_BARS)).astype(int)
    return "".join(" " if not each else _BARS[each - 1] for each in heights)
