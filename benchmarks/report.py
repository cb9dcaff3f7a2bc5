"""The report: one section for each case with what was measured and whether the bars are met, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.cases import INGEST, ingestion
from benchmarks.cases.base import Bar, Case, Engine, Task
from benchmarks.machine import machine
from benchmarks.plot import Point, log_log
from benchmarks.results import CaseFigures, Record, compared_answers, disagreements, figures_of
from benchmarks.shapes import Join, ingested_by
from benchmarks.stored_results import Stored

BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"
GROWTH = "growth"
VERDICTS = {True: "met", False: "**not met**", None: "not measured"}
_NAMES: Mapping[Engine, str] = {
    "ours": "ours",
    "raw": "by hand (Polars)",
    "duckdb": "DuckDB",
    "feast": "Feast on DuckDB",
}

Row = Sequence[str]


def report(cases: Mapping[str, Case], records: Sequence[Record], scale: float, image: str | None) -> str:
    """The whole part that the suite writes.

    Args:
        image: where the plot of growth is, seen from the page; None when there is none.
    """
    ingested = figures_of(ingestion(dict(cases)), records)
    sections = [_section(case, figures_of(case, records), ingested) for case in cases.values()]
    if image:
        sections.append(f"![Wall seconds of the join by rows of its table]({image})")
    return "\n\n".join([_head(cases, records, scale), *sections])


def bars_table(cases: Iterable[Case], records: Sequence[Record]) -> str:
    """Every bar with its figure."""
    rows = [(case.name, *row) for case in cases for row in _bar_rows(case, figures_of(case, records))]
    return table(("case", "bar", "figure", "limit", ""), rows)


def written(page: Path, part: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Put the part between its two marks in a page; everything else stays as it is."""
    text = page.read_text()
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"{page} lacks the lines `{marks[0]}` and `{marks[1]}`. Add them where the figures belong.")
    page.write_text(f"{before}{begin}\n\n{part}\n\n{end}{after}")


def growth_plot(case: Case, records: Sequence[Record]) -> str | None:
    """The SVG of wall seconds by rows; None before two sizes are measured."""
    figures = figures_of(case, records)
    lines: dict[str, list[Point]] = {}
    for task in case.tasks:
        for engine in task.engines:
            wall = figures.median("wall", task.name, engine)
            if wall is not None and isinstance(task.work, Join):
                lines.setdefault(_NAMES[engine], []).append((task.work.tables[0].rows / 1e6, wall))
    if max(map(len, lines.values()), default=0) < 2:
        return None
    return log_log(lines, title="1M spine rows x n rows of 2 features", x="million rows", y="wall s")


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table whose columns are aligned for those who read it as text."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])


def head_facts(command: str, results: Sequence[Stored], scale: float, verdicts: Sequence[str]) -> list[str]:
    """Return what was run, when, at which size, where and with which versions, and how many bars are met.

    Args:
        verdicts: on every bar, each of `VERDICTS`.
    """
    sessions = sorted({each.session for each in results})
    size = "at full size" if scale == 1 else f"**at {scale:g} of the sizes that the titles name**"
    versions = {name: found for each in results for name, found in each.versions.items()}
    met, missed, unknown = (verdicts.count(VERDICTS[each]) for each in (True, False, None))
    return [
        f"{command}, {sessions[-1][:10]}, {size}, {machine()}.",
        f"Versions: {', '.join(f'{name} {found}' for name, found in sorted(versions.items()))}.",
        f"**{met} of {len(verdicts)} bars are met**, {missed} are not, {unknown} are not measured.",
        *(["Figures of several runs of the suite stand side by side."] if len(sessions) > 1 else []),
    ]


def _head(cases: Mapping[str, Case], records: Sequence[Record], scale: float) -> str:
    if not records:
        return "Nothing is measured yet: `make bench` fills this in."
    verdicts = [_verdict(bar, figures_of(case, records)) for case in cases.values() for bar in case.bars]
    facts = head_facts("`make bench`", records, scale, verdicts)
    return "\n".join([*facts, _agreement(cases, records)])


def _agreement(cases: Mapping[str, Case], records: Sequence[Record]) -> str:
    apart = disagreements(cases.values(), records)
    if apart:
        return "\n".join(f"**Answers differ**: {each}." for each in apart)
    compared = compared_answers(cases.values(), records)
    return f"{compared} answers were given by more than one engine; in each the engines agree."


def _section(case: Case, figures: CaseFigures, ingested: CaseFigures) -> str:
    rows = [row for task in case.tasks for engine in task.engines for row in _measured_row(task, engine, figures)]
    if not rows:
        return f"### `{case.name}`: {case.title}\n\nNot measured."
    stored = {each.name: None for task in case.tasks for each in ingested_by(task.work)}
    rows += [row for name in stored for row in _ingested_row(name, ingested)]
    measured = table(("work", "engine", "wall s", "CPU s", "peak MB", "wall / ours", "runs"), rows)
    bars = table(("bar", "figure", "limit", ""), _bar_rows(case, figures))
    return "\n\n".join([f"### `{case.name}`: {case.title}", measured, bars, *_notes(figures)])


def _measured_row(task: Task, engine: Engine, figures: CaseFigures) -> list[Row]:
    records = figures.of(task.name, engine)
    if not records:
        return []
    wall, ours = (figures.median("wall", task.name, each) for each in (engine, "ours"))
    failed = sum(each.failed is not None for each in records)
    runs = f"{len(records)}, {failed} failed" if failed else str(len(records))
    quotient = f"{wall / ours:.2f}" if wall is not None and ours else ""
    return [(task.name, _NAMES[engine], *_medians(task.name, engine, figures), quotient, runs)]


def _ingested_row(name: str, ingested: CaseFigures) -> list[Row]:
    runs = len(ingested.of(name, "ours"))
    return [(f"{INGEST} `{name}`", "ours", *_medians(name, "ours", ingested), "", str(runs))] if runs else []


def _medians(task: str, engine: Engine, figures: CaseFigures) -> Row:
    wall, cpu, peak = (figures.median(measure, task, engine) for measure in ("wall", "cpu", "peak"))
    seconds = ["" if found is None else f"{found:.2f}" for found in (wall, cpu)]
    return [*seconds, "" if peak is None else f"{peak / 1e6:,.0f}"]


def _bar_rows(case: Case, figures: CaseFigures) -> list[Row]:
    return [(bar.text, _figure(bar, figures), bar.limit, _verdict(bar, figures)) for bar in case.bars]


def _figure(bar: Bar, figures: CaseFigures) -> str:
    found = bar.figure(figures)
    return "" if found is None else f"{found:.2f}"


def _verdict(bar: Bar, figures: CaseFigures) -> str:
    """A bar without a figure is missed when that is because something failed."""
    met = bar.met(figures)
    return VERDICTS[False if met is None and any(each.failed for each in figures.records) else met]


def _notes(figures: CaseFigures) -> list[str]:
    limits = sorted({f"Memory of ours is limited by {each.limited}." for each in figures.records if each.limited})
    failures = sorted(
        {f"Failed: {each.task} of {each.engine}, {each.failed}" for each in figures.records if each.failed}
    )
    return [*limits, *failures]
