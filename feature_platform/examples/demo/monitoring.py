"""The findings of monitoring in the flights of 2013, as a table with a picture of the year in each line."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.declarations.project import Project
from feature_platform.ground.findings import FindingKind
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.comparison import drift_report
from feature_platform.offline import OfflineStore

_WEATHER = "sources/weather"
_BARS = "▁▂▃▄▅▆▇█"
_MOST = 4.0  # thresholds; higher scores are drawn as high
_LINES = 9
_SERIES = ("asset", "kind", "column")


def show_monitoring(console: Console, project: Project, store: OfflineStore, folder: Path) -> None:
    """Show the troubles of the year that lasted or were large, strongest first; write a page on winter and summer."""
    rows = _read_answers(project, store)
    alarms = rows.filter("alarm")
    console.print(_table(rows, alarms))
    judged = rows.filter(pl.col("found").is_not_null()).height
    counts = f"{rows.height:,} checks in {rows['asset'].n_unique()} tables, {judged:,} of them with a result, "
    console.print(f"  {counts}{alarms.select(_SERIES).unique().height} troubles.")
    for line in _write_pages(project, store, folder):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _read_answers(project: Project, store: OfflineStore) -> pl.DataFrame:
    """Read all answers of the project, with their asset, and the score as a multiple of its threshold."""
    names = {each.asset: TableKind.MONITORING.of(each.asset) for each in project.assets}
    frames = [
        store.read(table).select(MONITORED.names()).collect().with_columns(asset=pl.lit(asset))
        for asset, table in names.items()
        if store.exists(table)
    ]
    rows = pl.concat(frames) if frames else pl.DataFrame(schema={**MONITORED, "asset": pl.String})
    ratio = pl.when(pl.col("kind") == FindingKind.VOLUME).then(pl.max_horizontal("score", 1 / pl.col("score")))
    return rows.with_columns(ratio=ratio.otherwise("score") / pl.col("threshold"))


def _table(rows: pl.DataFrame, alarms: pl.DataFrame) -> Table:
    table = Table(title="What monitoring saw in 2013, month by month", box=SIMPLE_HEAD, padding=0)
    for name in ("table", "what", "Jan-Dec", "since", "thresholds"):
        table.add_column(name, no_wrap=True, justify="right" if name == "thresholds" else "left")
    worst = alarms.sort("ratio", descending=True, nulls_last=True).unique(_SERIES, keep="first", maintain_order=True)
    for row in worst.head(_LINES).iter_rows(named=True):
        same = pl.all_horizontal(pl.col(each).eq_missing(pl.lit(row[each], pl.String)) for each in _SERIES)
        since = alarms.filter(same).select(pl.coalesce(pl.col("window").dt.strftime("%b %d"), "partition")).to_series()
        table.add_row(
            row["asset"].partition("/")[2],
            _what(row),
            _draw_year(rows.filter(same), alarms.filter(same)),
            since[0],
            "" if row["ratio"] is None else f"{row['ratio']:.1f}",
        )
    return table


def _what(row: dict[str, object]) -> str:
    return f"{row['kind']} of {row['column']}" if row["column"] else f"{row['kind']}".replace("_", " ")


def _draw_year(rows: pl.DataFrame, alarms: pl.DataFrame) -> str:
    """Draw a bar for each month: the largest score, red where people would have got an alert."""
    month = pl.coalesce(pl.col("window").dt.month(), pl.col("partition").str.slice(5, 2).cast(pl.Int8, strict=False))
    judged = rows.filter(pl.col("found").is_not_null())
    heights = dict(judged.group_by(month.alias("m")).agg(pl.col("ratio").max()).iter_rows())
    red = set(alarms.select(month.alias("m")).to_series())
    return "".join(_draw_bar(heights.get(at), alarmed=at in red) for at in range(1, 13))


def _draw_bar(ratio: float | None, *, alarmed: bool) -> str:
    if ratio is None:
        return "[dim]·[/]"
    height = _BARS[min(int(min(ratio, _MOST) / _MOST * len(_BARS)), len(_BARS) - 1)]
    return f"[red]{height}[/]" if alarmed else f"[green]{height}[/]"


def _write_pages(project: Project, store: OfflineStore, folder: Path) -> Iterator[str]:
    """Write a page that compares the weather of winter with that of summer."""
    start = project.partitions.start
    if start is None or not store.exists(_WEATHER):
        return
    rows, columns = store.read(_WEATHER), ["temp", "humid", "wind_speed", "precip", "visib"]
    winter, summer = (
        rows.filter(pl.col("observed_at").is_between(*_months(start, *months), closed="left")) for months in _SEASONS
    )
    folder.mkdir(parents=True, exist_ok=True)
    title = "The weather of New York's airports, January to March against June to August 2013"
    file = drift_report(winter, summer, columns, title=title).save(folder / "winter-and-summer.html")
    yield f"Winter against summer, with pictures: {file}"


_SEASONS = ((1, 4), (6, 9))


def _months(start: datetime, first: int, last: int) -> tuple[datetime, datetime]:
    return start.replace(month=first), start.replace(month=last)
