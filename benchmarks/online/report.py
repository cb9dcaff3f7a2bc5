"""The report of the online suite, as Markdown: for each case its figures and whether the bars are met."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.online.base import Bar, Case, number
from benchmarks.online.results import CaseFigures, Record, figures_of
from benchmarks.report import VERDICTS, Row, head_facts, table

BEGIN, END = "<!-- make bench writes the online part from here -->", "<!-- the online part ends here -->"


def report(cases: Mapping[str, Case], records: Sequence[Record], scale: float) -> str:
    """The whole part that the suite writes."""
    sections = [_section(case, figures_of(case.name, records)) for case in cases.values()]
    return "\n\n".join([_head(cases, records, scale), *sections])


def bars_table(cases: Iterable[Case], records: Sequence[Record]) -> str:
    """Every bar with its figure."""
    rows = [(case.name, *row) for case in cases for row in _bar_rows(case, figures_of(case.name, records))]
    return table(("case", "bar", "figure", "limit", ""), rows)


def _head(cases: Mapping[str, Case], records: Sequence[Record], scale: float) -> str:
    if not records:
        return "Nothing is measured yet: `make bench` fills this in."
    verdicts = [_verdict(bar, figures_of(case.name, records)) for case in cases.values() for bar in case.bars]
    return "\n".join(head_facts("`.venv/bin/python -m benchmarks.online.run`", records, scale, verdicts))


def _section(case: Case, figures: CaseFigures) -> str:
    head, failures = f"### `{case.name}`: {case.title}", [_failure(each) for each in figures.records if each.failed]
    if not figures.works:
        return "\n\n".join([head, *(failures or ["Not measured."])])
    measures = [each for each in case.columns if any(figures.median(work, each) is not None for work in figures.works)]
    works = [work for work in figures.works if any(figures.median(work, each) is not None for each in measures)]
    rows = [_measured_row(work, measures, figures) for work in works]
    parts = [table(("work", *(case.columns[each] for each in measures), "runs"), rows)]
    parts += [_fact(work, case, figures) for work in figures.works if work not in works]
    if case.bars:
        parts.append(table(("bar", "figure", "limit", ""), _bar_rows(case, figures)))
    return "\n\n".join([head, *parts, *failures])


def _measured_row(work: str, measures: Sequence[str], figures: CaseFigures) -> Row:
    return (work, *(number(figures.median(work, each)) for each in measures), str(figures.runs(work)))


def _fact(work: str, case: Case, figures: CaseFigures) -> str:
    found = {heading: figures.median(work, measure) for measure, heading in case.facts.items()}
    told = ", ".join(f"{number(figure)} {heading}" for heading, figure in found.items() if figure is not None)
    return f"{work}: {told}."


def _bar_rows(case: Case, figures: CaseFigures) -> list[Row]:
    return [(bar.text, number(bar.figure(figures)), bar.limit, _verdict(bar, figures)) for bar in case.bars]


def _verdict(bar: Bar, figures: CaseFigures) -> str:
    """A bar without a figure is missed when that is because something failed."""
    met = bar.met(figures)
    return VERDICTS[False if met is None and any(each.failed for each in figures.records) else met]


def _failure(record: Record) -> str:
    return f"**Failed**: {record.failed}"
