"""The newest partition of a monitoring table in words: what is wrong, how much, and since when."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.drawings import metric_name
from feature_platform.ground.findings import FindingKind
from feature_platform.ground.pictures.embedded import fits_inline
from feature_platform.ground.pictures.facts import cut_to_room
from feature_platform.ground.pictures.markdown import escape_markdown, name_as_code, table_of_cells
from feature_platform.ground.pictures.svg import number_text

_THING = ["kind", "column"]
_RATIO = pl.col("score") / pl.col("threshold")
_LETTERS, _NARROW = 60, 20  # of a cell in a table
_NAMED = 3  # differences in a sentence


def sort_by_strength(rows: pl.DataFrame, *first: str) -> pl.DataFrame:
    """Sort rows of a monitoring table, the strongest first: alarms, then by how far scores are beyond thresholds.

    The volume of rows is a ratio, of which less than usual counts like more.

    Args:
        first: flags that count before.
    """
    less = 1 / (pl.col("score") * pl.col("threshold"))
    size = pl.when(pl.col("kind") == FindingKind.VOLUME).then(pl.max_horizontal(_RATIO, less)).otherwise(_RATIO)
    flags = [pl.col(each).fill_null(value=False) for each in (*first, "alarm")]
    by = [*flags, size.fill_nan(None).fill_null(0.0), pl.col("score").fill_nan(None).fill_null(0.0)]
    names = ["kind", "column", "metric", "partition", "window"]  # so that the same rows give the same order
    down = [True] * len(by) + [False] * len(names)
    return rows.sort(*by, *names, descending=down)


def newest_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the newest partition."""
    return rows.filter(pl.col("partition") == pl.col("partition").max())


def strongest_findings(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the strongest row about each thing that is wrong in the newest partition, and `since`, when that began.

    Args:
        rows: of the newest partition and, for `since`, of earlier ones.
    """
    strongest = sort_by_strength(newest_of(rows).filter("found")).unique(_THING, keep="first", maintain_order=True)
    return strongest.join(_since(rows), on=_THING, how="left", nulls_equal=True, maintain_order="left")


def summary_table(rows: pl.DataFrame) -> str:
    """Return what is wrong in the newest partition as a Markdown table, the worst first, and the rest in words.

    It has at most the length that Dagster shows where it stands, and is as narrow as its place there.

    Args:
        rows: of the newest partition and, for `since`, of earlier ones.
    """
    things = strongest_findings(rows)
    lines = [
        [
            name_as_code(cut_to_room(describe_row(row), _NARROW)),
            escape_markdown(_describe_size(row)),
            escape_markdown(str(row["since"])),
        ]
        for row in things.filter("alarm").iter_rows(named=True)
    ]
    return fit_table(["what", "score/threshold", "since"], lines, _describe_rest(newest_of(rows), things))


def fit_table(head: Sequence[str], lines: Sequence[Sequence[str]], rest: str, right: Sequence[int] = ()) -> str:
    """Return a Markdown table with as many of its lines as Dagster shows in its place, and a sentence below."""
    for count in range(len(lines), 0, -1):
        more = f"{len(lines) - count} more are wrong. " if count < len(lines) else ""
        text = f"{table_of_cells(head, lines[:count], right=right)}\n\n{more}{rest}"
        if fits_inline(text):
            return text
    return f"{len(lines)} are wrong. {rest}" if lines else rest


def describe_row(row: Mapping[str, object]) -> str:
    """Describe what a row is about: a column, or the kind of the watch, or both."""
    column, kind = row["column"], str(row["kind"]).replace("_", " ")
    if column is None:
        return kind
    return str(column) if row["kind"] == FindingKind.DRIFT else f"{column}: {kind}"


def describe_row_as_markdown(row: Mapping[str, object]) -> str:
    """Describe the same as Markdown, with the metric of a drift."""
    column = "" if row["column"] is None else name_as_code(cut_to_room(str(row["column"]), _LETTERS))
    kind = "" if row["kind"] == FindingKind.DRIFT else str(row["kind"]).replace("_", " ")
    metric = metric_name(str(row["metric"])) if row["kind"] == FindingKind.DRIFT and row["metric"] else ""
    return " ".join(each for each in (column, escape_markdown(kind), escape_markdown(metric)) if each)


def describe_moment(row: Mapping[str, object]) -> str:
    """Return the window of a row as text, or else its partition."""
    window = row["window"]
    if not isinstance(window, datetime):
        return str(row["partition"]) or "now"
    return f"{window:%Y-%m-%d}" if window.hour == window.minute == 0 else f"{window:%Y-%m-%d %H:%M}"


def format_score(value: object) -> str:
    """Format a score or a threshold; a dash when there is none."""
    return number_text(value) if isinstance(value, float) else "–"


def _since(rows: pl.DataFrame) -> pl.DataFrame:
    """Return for each thing when its current problem began: the first moment since which every moment found it."""
    moments = rows.group_by(*_THING, "partition", "window").agg(pl.col("found").fill_null(value=False).any())
    ordered = moments.sort("partition", "window", nulls_last=False)
    stretches = ordered.with_columns(stretch=(~pl.col("found")).cum_sum().over(_THING)).filter("found")
    last = stretches.filter(pl.col("stretch") == pl.col("stretch").max().over(_THING))
    first = last.unique(_THING, keep="first", maintain_order=True)
    starts = [describe_moment(each) for each in first.iter_rows(named=True)]
    return first.select(_THING).with_columns(since=pl.Series(starts, dtype=pl.String))


def _describe_size(row: Mapping[str, object]) -> str:
    """Describe a score and its threshold; the evidence where there is no score."""
    if not isinstance(row["score"], float):
        return cut_to_room(str(row["evidence"] or "–"), _NARROW)
    metric = f"{row['metric']} " if row["kind"] == FindingKind.DRIFT else ""
    threshold = f"/{row['threshold']:.3g}" if isinstance(row["threshold"], float) else ""
    return f"{metric}{row['score']:.3g}{threshold}"


def _describe_rest(newest: pl.DataFrame, things: pl.DataFrame) -> str:
    """Describe what did not alarm in the newest partition, a paragraph each."""
    columns = (
        newest.filter(pl.col("kind") == FindingKind.DRIFT)
        .group_by("column")
        .agg(pl.col("found").any(), is_known=pl.col("found").is_not_null().any())
    )
    sentences: list[str] = []
    passing = [
        name_as_code(cut_to_room(describe_row(row), _NARROW))
        for row in things.filter(~pl.col("alarm")).iter_rows(named=True)
    ]
    if passing:
        more = f" and {len(passing) - _NAMED} more" if len(passing) > _NAMED else ""
        sentences.append(f"Different, but not lasting: {', '.join(passing[:_NAMED])}{more}.")
    if columns.height:
        stable = columns.filter("is_known", ~pl.col("found")).height
        unknown = columns.filter(~pl.col("is_known")).height
        nothing = f" Of {unknown} nothing can be said." if unknown else ""
        sentences.append(f"{stable} of {columns.height} columns have not drifted.{nothing}")
    others = newest.filter(pl.col("kind") != FindingKind.DRIFT, pl.col("found").is_not_null())
    kinds = others.group_by("kind").agg(pl.col("found").any()).filter(~pl.col("found"))
    quiet = sorted(str(each).replace("_", " ") for each in kinds["kind"])
    return "\n\n".join([*sentences, *([f"As usual: {', '.join(quiet)}."] if quiet else [])])
