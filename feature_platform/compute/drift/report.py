"""The drift report: scores as a page, the columns that drifted first, each with its two distributions."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import polars as pl

from feature_platform.compute.drift.between import ComparedFrames
from feature_platform.compute.drift.classifier import Separation
from feature_platform.compute.drift.drawings import BINS, CATEGORIES, FEW_BINS, draw_distributions, metric_name
from feature_platform.compute.drift.scores import DRIFTED, INSUFFICIENT, NOT_COMPARED, STABLE
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.ground.pictures import distributions
from feature_platform.ground.pictures.page import HtmlPage, html_page, html_table
from feature_platform.ground.pictures.svg import number_text
from feature_platform.parts.drift.base import Kind

_BADGES = {DRIFTED: "bad", STABLE: "good"}


@dataclass(frozen=True)
class _Column:
    """One column in the report."""

    name: str
    reference: ColumnProfile
    current: ColumnProfile
    scores: pl.DataFrame

    @property
    def verdict(self) -> str:
        """Return the status of its worst score.

        A column of which only nulls are compared, and they are as before, is not compared.
        """
        statuses = self.scores["status"].to_list()
        ordered = [DRIFTED] if self.scores["metric"].eq("values").any() else [DRIFTED, STABLE, INSUFFICIENT]
        return next((each for each in ordered if each in statuses), NOT_COMPARED)

    @property
    def strength(self) -> float:
        """Return the largest score as a multiple of its threshold."""
        ratio = self.scores.select((pl.col("score") / pl.col("threshold")).fill_nan(None).max()).item()
        return float(ratio or 0.0)

    @property
    def strongest(self) -> dict[str, object]:
        """Return the row of the strongest score."""
        ratio = (pl.col("score") / pl.col("threshold")).fill_null(-1.0)
        return self.scores.sort(pl.col("drifted").fill_null(value=False), ratio, descending=True).row(0, named=True)


def drift_page(frames: ComparedFrames, scores: pl.DataFrame, separation: Separation, title: str) -> HtmlPage:
    """Return the whole page of the report."""
    columns = [
        _Column(
            name, reference.for_season(frames.season), frames.current[name], scores.filter(pl.col("column") == name)
        )
        for name, reference in frames.references.items()
    ]
    columns.sort(key=lambda each: (each.verdict != DRIFTED, -each.strength))
    body = [
        _head(title, columns, scores, frames.season),
        _tiles(columns, separation),
        _together(columns, separation),
        _overview(columns),
    ]
    return html_page(title, "".join([*body, "<h2>Column by column</h2>", *map(_card, columns)]))


def _head(title: str, columns: Sequence[_Column], scores: pl.DataFrame, season: int | None) -> str:
    reference, current = columns[0].reference.rows, columns[0].current.rows
    windows = int(scores["n_windows"].max() or 0)  # type: ignore[arg-type]
    origin = (
        f"Thresholds are learnt from {windows} windows of the reference."
        if windows
        else "Thresholds are the metrics' floors: there were no windows to learn from."
    )
    alike = "" if season is None else " of the same weekday or time of day"
    legend = '<span class="key" style="background:var(--reference)"></span>reference'
    legend += '<span class="key" style="background:var(--current)"></span>current'
    return (
        f"<h1>{escape(title)}</h1><p class='soft'>{current:,} current rows against {reference:,} reference "
        f"rows{alike}. {origin}{legend}</p>"
    )


def _tiles(columns: Sequence[_Column], separation: Separation) -> str:
    verdicts = [each.verdict for each in columns]
    drifted, few = verdicts.count(DRIFTED), verdicts.count(INSUFFICIENT)
    together = "–" if separation.drifted is None else f"{separation.auc:.2f}"
    tiles = [
        ("bad" if drifted else "good", f"{drifted} of {len(columns)}", "columns have drifted"),
        ("", str(few), "with too few rows to say"),
        ("", str(verdicts.count(NOT_COMPARED)), "not compared"),
        ("bad" if separation.drifted else "", together, "AUC of all columns together"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile {kind}"><b>{value}</b><span>{label}</span></div>' for kind, value, label in tiles)
        + "</div>"
    )


def _together(columns: Sequence[_Column], separation: Separation) -> str:
    if all(each.reference.layout.kind is Kind.OTHER for each in columns):
        return (
            "<p>Nothing can be compared but the share of rows without a value: no column of the reference holds "
            "numbers, text or flags. Why not is said for each column below.</p>"
        )
    if separation.drifted is None:
        return "<p>There are too few rows to judge all columns together.</p>"
    if not separation.drifted:
        return "<p>A classifier that sees all columns together cannot tell current rows from reference rows.</p>"
    names = ", ".join(f"<code>{escape(name)}</code> ({loss:.2f})" for name, loss in separation.columns[:6])
    return (
        "<p>A classifier that sees all columns together says which of a current and a reference row is the current "
        f"one, and is right in {separation.auc:.0%} of the cases (50% is guessing). What gives it away, with what it "
        f"loses without: {names}.</p>"
    )


def _overview(columns: Sequence[_Column]) -> str:
    head = "<th>column</th><th></th><th>verdict</th><th>strongest metric</th><th class='n'>score</th>"
    head += "<th class='n'>threshold</th><th></th>"
    return html_table(head, "".join(map(_overview_row, columns)))


def _overview_row(column: _Column) -> str:
    strongest = column.strongest
    cells = [f"<code>{escape(column.name)}</code>", _picture(column, small=True), _badge(column.verdict)]
    if strongest["score"] is None or column.verdict == NOT_COMPARED:
        cells += ["<span class='soft'>" + escape(_why(column)) + "</span>", "", "", ""]
    else:
        cells += [_name(str(strongest["metric"])), *_score_cells(strongest)]
    kinds = ["", "", "", "", " class='n'", " class='n'", ""]
    return "<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)) + "</tr>"


def _card(column: _Column) -> str:
    drifted = column.verdict == DRIFTED
    rows = "".join(
        "<tr>"
        f"<td>{_name(each['metric'])}</td>"
        + "".join(
            f"<td{kind}>{cell}</td>"
            for kind, cell in zip((" class='n'", " class='n'", ""), _score_cells(each), strict=True)
        )
        + "</tr>"
        for each in column.scores.iter_rows(named=True)
        if each["score"] is not None
    )
    scores = (
        html_table("<th>metric</th><th class='n'>score</th><th class='n'>threshold</th><th></th>", rows) if rows else ""
    )
    picture = _picture(column, small=False) or f"<p class='soft'>{escape(_why(column))}</p>"
    return (
        f'<details class="card"{" open" if drifted else ""}><summary><code>{escape(column.name)}</code>'
        f"{_badge(column.verdict)}<span class='soft'>{column.reference.layout.kind}</span></summary>"
        f'<div class="inside"><div>{picture}{_facts(column)}</div><div>{scores}</div></div></details>'
    )


def _facts(column: _Column) -> str:
    sides = (column.reference, column.current)
    facts = [("rows", [f"{each.rows:,}" for each in sides])]
    facts.append(("without a value", [f"{each.missing / max(each.rows, 1):.2%}" for each in sides]))
    if column.reference.layout.kind is Kind.NUMBER:
        facts += [
            ("mean", [number_text(each.mean) for each in sides]),
            ("standard deviation", [number_text(each.deviation) for each in sides]),
            ("median", [number_text(each.quantile(0.5)) for each in sides]),
            (
                "1% – 99%",
                [f"{number_text(each.quantile(0.01))} – {number_text(each.quantile(0.99))}" for each in sides],
            ),
            (
                "smallest – largest",
                [f"{number_text(each.lowest)} – {number_text(each.highest)}" for each in sides],
            ),
        ]
    if column.reference.layout.kind is not Kind.OTHER:
        facts.append(("different values, about", [f"{each.distinct:,}" for each in sides]))
    if column.current.unknown:
        facts.append(("new or rare values, e.g.", ["", ", ".join(column.current.unknown)[:80]]))
    rows = "".join(
        f"<tr><td class='soft'>{label}</td>"
        + "".join(f"<td class='n'>{escape(each)}</td>" for each in values)
        + "</tr>"
        for label, values in facts
    )
    return html_table("<th></th><th class='n'>reference</th><th class='n'>current</th>", rows)


def _score_cells(row: dict[str, object]) -> list[str]:
    score, threshold = float(str(row["score"])), float(str(row["threshold"]))
    return [
        number_text(score),
        number_text(threshold),
        distributions.meter(score, threshold, drifted=bool(row["drifted"])),
    ]


def _name(metric: str) -> str:
    return escape(metric_name(metric))


def _badge(verdict: str) -> str:
    return f'<span class="badge {_BADGES.get(verdict, "odd")}">{escape(verdict)}</span>'


def _why(column: _Column) -> str:
    reasons = [each for each in column.scores["status"].to_list() if each.startswith(f"{NOT_COMPARED}:")]
    return reasons[0].removeprefix(f"{NOT_COMPARED}: ") if reasons else "There is nothing to compare."


def _picture(column: _Column, *, small: bool) -> str:
    return draw_distributions(column.reference, column.current, FEW_BINS if small else BINS, CATEGORIES, small=small)
