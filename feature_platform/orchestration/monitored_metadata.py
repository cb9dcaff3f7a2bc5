"""What people see of a monitoring run: numbers that Dagster plots, tables, pictures and check results."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import polars as pl

from feature_platform.compute.drift.pictures import drift_picture, score_trends, strongest_trend
from feature_platform.compute.drift.summaries import (
    describe_row_as_markdown,
    format_score,
    newest_of,
    sort_by_strength,
    strongest_findings,
    summary_table,
)
from feature_platform.compute.watches import WATCHES
from feature_platform.declarations.project import Asset
from feature_platform.ground.findings import FindingKind
from feature_platform.ground.pictures.facts import cut_to_room
from feature_platform.ground.pictures.markdown import escape_markdown, table_of_cells
from feature_platform.monitoring.judging.drift import DriftJudgement
from feature_platform.orchestration.metadata import Metadata

NO_DRIFT = "no_drift"
TOO_LITTLE = "insufficient data"
_LETTERS = 120  # of a cell in a table
_FEW, _ROWS = 6, 100  # things in the words of a check, and in its table
_DRIFTS = (FindingKind.DRIFT, FindingKind.MULTIVARIATE)
_FOREIGN_WRITE = "No partition was written by anybody but the platform."
_HEAD = ["what", "since", "size", "threshold", "compared to"]


def monitoring_metadata(
    rows: pl.DataFrame, judged: DriftJudgement | None, history: pl.DataFrame | None = None
) -> Metadata:
    """Return numbers, a summary, and pictures when something is wrong.

    Args:
        rows: the rows of the monitoring table about one partition.
        judged: the partition and what it was compared to; None leaves the pictures out.
        history: rows that also cover earlier partitions, for trends and for since when something is wrong.
    """
    all_rows = _with_history(history, rows) if rows["found"].any() else rows  # earlier rows say since when
    metadata = _plotted_numbers(rows) | {"summary": dg.MetadataValue.md(summary_table(all_rows))}
    if judged is None:
        return metadata
    wrong = rows["alarm"].any()  # what was wrong in an earlier partition is shown there
    pictures = {
        "trend": strongest_trend(all_rows) if wrong else "",
        "trends": score_trends(all_rows) if wrong else "",
        "drift": drift_picture(judged.references, judged.current, rows, judged.every),
    }
    return metadata | {name: dg.MetadataValue.md(text) for name, text in pictures.items() if text}


def monitoring_check_specs(key: dg.AssetKey, asset: Asset) -> list[dg.AssetCheckSpec]:
    """Return the check `no_drift` for an asset with a monitor, and a check for each kind of watch."""
    drift = "No column has lasting drift, nor have all columns together."
    checks = {NO_DRIFT: drift} if getattr(asset, "monitor", None) else {}
    checks |= {_watch_name(kind): description for kind, description in _watches().items()}
    return [dg.AssetCheckSpec(name, asset=key, description=description) for name, description in checks.items()]


def monitoring_check_results(
    key: dg.AssetKey, rows: pl.DataFrame, asset: Asset, history: pl.DataFrame | None = None
) -> Iterator[dg.AssetCheckResult]:
    """Yield one result for each check: about the worst partition of the rows, or about the newest without alarms.

    Args:
        rows: rows of the monitoring table; without rows the results say that there is insufficient data.
        history: rows of earlier partitions, for since when something is wrong.
    """
    all_rows, judged = _with_history(history, rows), sorted(rows["partition"].unique())
    if getattr(asset, "monitor", None):
        yield _result(key, NO_DRIFT, all_rows.filter(pl.col("kind").is_in(_DRIFTS)), judged)
    for kind in _watches():
        yield _result(key, _watch_name(kind), all_rows.filter(pl.col("kind") == kind), judged)


def _watches() -> dict[str, str]:
    """Return each kind of watch with its description."""
    own = {each.kind.value: each.description for each in WATCHES}
    return own | {FindingKind.FOREIGN_WRITE.value: _FOREIGN_WRITE}


def _watch_name(kind: str) -> str:
    return f"watch_{kind}"


def _with_history(history: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows after those of earlier partitions."""
    if history is None or rows.is_empty():
        return rows
    return pl.concat([history.filter(pl.col("partition") < rows["partition"].min()), rows])


def _plotted_numbers(rows: pl.DataFrame) -> Metadata:
    """Return the numbers that Dagster plots for each partition."""
    drift = rows.filter(pl.col("kind") == FindingKind.DRIFT)
    ratios = rows.filter(pl.col("kind").is_in(_DRIFTS)).select(pl.col("score") / pl.col("threshold")).to_series()
    largest = ratios.filter(ratios.is_finite()).max()
    numbers: Metadata = {
        "alarms": rows.filter("alarm").unique(["kind", "column"]).height,
        "columns_drifted": drift.filter("found")["column"].n_unique(),
        "columns_watched": drift["column"].n_unique(),
    }
    return numbers | ({"largest_score_over_threshold": largest} if isinstance(largest, float) else {})


def _result(key: dg.AssetKey, name: str, rows: pl.DataFrame, judged: Sequence[str]) -> dg.AssetCheckResult:
    """Return the result of one check; Dagster shows its description as Markdown.

    Args:
        judged: the partitions that the check is about; the rows also cover earlier ones.
    """
    alarming = rows.filter("alarm", pl.col("partition").is_in(judged))
    failing = sorted(alarming["partition"].unique())
    if failing:
        worst = sort_by_strength(alarming.with_columns(critical=pl.col("severity") == "critical"), "critical")[
            "partition"
        ][0]
        rows = rows.filter(pl.col("partition") <= worst)
    things = strongest_findings(rows)
    alarms = things.filter("alarm")
    numbers: Metadata = {"alarms": alarms.height, "not_lasting": things.height - alarms.height}
    if len(judged) > 1:
        numbers |= {"partitions_judged": len(judged), "partitions_failing": len(failing)}
    if len(judged) > 1 and failing:
        numbers["failing"] = dg.MetadataValue.md(_partition_table(alarming))
    table_ = {"wrong": dg.MetadataValue.md(_table(alarms.head(_ROWS)))} if alarms.height else {}
    many = (
        f"{len(failing)} of {len(judged)} partitions; the worst is {worst}.\n\n" if len(judged) > 1 and failing else ""
    )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=alarms.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{many}{_strongest_alarm(alarms)}\n\n{_table(alarms.head(_FEW))}"
        if alarms.height
        else _passed_description(rows, things),
        metadata=numbers | table_,
    )


def _partition_table(alarming: pl.DataFrame) -> str:
    """Return a table of the partitions with an alarm and what is wrong in each, the strongest alarm first."""
    lines = []
    for (partition,), rows in alarming.sort("partition").group_by("partition", maintain_order=True):
        things = sort_by_strength(rows).unique(["kind", "column"], keep="first", maintain_order=True)
        named = ", ".join(describe_row_as_markdown(each) for each in things.head(_FEW).iter_rows(named=True))
        more = f" and {things.height - _FEW} more" if things.height > _FEW else ""
        lines.append([escape_markdown(str(partition)), f"{named}{more}"])
    rest = f"\n\nand {len(lines) - _ROWS} more partitions" if len(lines) > _ROWS else ""
    return table_of_cells(["partition", "what"], lines[:_ROWS]) + rest


def _strongest_alarm(alarms: pl.DataFrame) -> str:
    """Return the strongest alarm in words, and how many more there are."""
    first = alarms.row(0, named=True)
    more = f", and {alarms.height - 1} more" if alarms.height > 1 else ""
    return f"{describe_row_as_markdown(first)} since {escape_markdown(str(first['since']))}{more}."


def _passed_description(rows: pl.DataFrame, things: pl.DataFrame) -> str | None:
    """Return the description of a passed check; None when all is well."""
    if newest_of(rows)["found"].drop_nulls().is_empty():
        return TOO_LITTLE
    if things.is_empty():
        return None
    names = [describe_row_as_markdown(each) for each in things.head(_FEW).iter_rows(named=True)]
    more = f" and {things.height - _FEW} more" if things.height > _FEW else ""
    return f"Different, but not lasting: {', '.join(names)}{more}."


def _table(alarms: pl.DataFrame) -> str:
    lines = [
        [
            describe_row_as_markdown(row),
            escape_markdown(str(row["since"])),
            _size_of(row),
            format_score(row["threshold"]),
            escape_markdown(cut_to_room(str(row["compared_to"] or ""), _LETTERS)),
        ]
        for row in alarms.iter_rows(named=True)
    ]
    return table_of_cells(_HEAD, lines, right=[3])


def _size_of(row: Mapping[str, object]) -> str:
    """Return the size of what was found, in its own measure."""
    score = format_score(row["score"]) if isinstance(row["score"], float) else ""
    if row["kind"] == FindingKind.DRIFT:
        return score
    measured = " ".join(each for each in (score, str(row["measure"] or "")) if each)
    return escape_markdown(cut_to_room(f"{measured}: {row['evidence']}" if row["evidence"] else measured, _LETTERS))
