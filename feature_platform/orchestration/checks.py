"""Expectations as asset checks: critical ones block downstream assets, the others only report."""

import json
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.source import Source
from feature_platform.ground.pictures.markdown import escape_markdown
from feature_platform.ground.shortening import shorten
from feature_platform.ground.table_names import TableKind
from feature_platform.orchestration.markdown import markdown_table
from feature_platform.pipelines.candidates.intake import NO_EVENT_TIME
from feature_platform.pipelines.candidates.sources import KEPT, TOO_LATE
from feature_platform.pipelines.results import PublishResult
from feature_platform.quality.validation import Outcome
from feature_platform.training.leakage import Leak

SAMPLE_ROWS, _LONGEST = 20, 2_000
_LEAKAGE = "no_leakage"
_COUNTED = {
    NO_EVENT_TIME: "Rows without event time are left out; they stay in the raw data.",
    TOO_LATE: f"Rows that came later than the declared lateness are kept in `{TableKind.LATE}/`, not in the asset.",
    KEPT: "Published rows that are gone from the source stay until somebody decides; see `feature-platform status`.",
}


def check_specs(key: dg.AssetKey, expectations: tuple[Expect, ...], *, counted: bool) -> list[dg.AssetCheckSpec]:
    """Return one check for each expectation, and for a source one for each count that people should see."""
    specs = [
        dg.AssetCheckSpec(
            each.check_name,
            asset=key,
            blocking=each.severity == "critical",
            description=escape_markdown(_description_of(each)),
            metadata={
                "severity": each.severity,
                "expectation": each.type,
                "arguments": _as_json(each.kwargs),
            },
        )
        for each in expectations
    ]
    extra = [dg.AssetCheckSpec(f"no_{name}", asset=key, description=text) for name, text in _COUNTED.items()]
    return [*specs, *(extra if counted else [])]


def expectation_results(
    key: dg.AssetKey, published: PublishResult, *, counted: bool, docs: Mapping[str, dg.MetadataValue]
) -> Iterator[dg.AssetCheckResult]:
    """Yield the result of every check, with a table of what failed, and where the page of the run is."""
    for outcome in published.validation.outcomes:
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=outcome.expectation.check_name,
            passed=outcome.success,
            severity=_severity(outcome.expectation),
            description=escape_markdown(outcome.summary),  # which Dagster shows as Markdown
            metadata=_evidence(outcome, published)
            | _refused_rows(outcome, published)
            | ({} if outcome.success else dict(docs)),
        )
    for name in _COUNTED if counted else ():
        count = published.candidate.notes.get(name, 0)
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=f"no_{name}",
            passed=count == 0,
            severity=dg.AssetCheckSeverity.ERROR if name == KEPT else dg.AssetCheckSeverity.WARN,
            description=f"{count} {name.replace('_', ' ')}. {_COUNTED[name]}" if count else None,
            metadata={"rows": count},
        )


def leakage_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the check that no column of a training set tells its labels."""
    return dg.AssetCheckSpec(_LEAKAGE, asset=key, description="No column tells a label before anybody could know it.")


def leakage_result(key: dg.AssetKey, leaks: Sequence[Leak]) -> dg.AssetCheckResult:
    """Return the result of `leakage_spec`: an error where the declarations show a leak, a warning where values do."""
    certain = any(leak.is_critical for leak in leaks)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=_LEAKAGE,
        passed=not leaks,
        severity=dg.AssetCheckSeverity.ERROR if certain else dg.AssetCheckSeverity.WARN,
        description=escape_markdown("; ".join(map(str, leaks))) or None,
        metadata={"suspected": [f"{leak.column}: {leak.kind.value}" for leak in leaks]},
    )


def counts_rows(asset: object) -> bool:
    """Tell whether an asset has the checks on counted rows: only partitioned sources have them."""
    return isinstance(asset, Source) and asset.partitioned


def _severity(expect: Expect) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if expect.severity == "critical" else dg.AssetCheckSeverity.WARN


def _evidence(outcome: Outcome, published: PublishResult) -> dict[str, dg.MetadataValue]:
    facts: dict[str, dg.MetadataValue] = {"severity": dg.MetadataValue.text(outcome.expectation.severity)}
    if outcome.element_count is not None:
        facts["rows"] = dg.MetadataValue.int(outcome.element_count)
    if outcome.unexpected_count is not None:
        facts["unexpected"] = dg.MetadataValue.int(outcome.unexpected_count)
    if outcome.unexpected_percent is not None:
        facts["unexpected_percent"] = dg.MetadataValue.float(outcome.unexpected_percent)
    if outcome.observed is not None:
        facts["observed"] = dg.MetadataValue.text(_as_json(outcome.observed))
    broken = published.broken.get(outcome.expectation.check_name)
    if broken is not None and not broken.is_empty():
        facts["failed_values"] = dg.MetadataValue.md(markdown_table(broken))
    elif not outcome.success and outcome.sample:
        facts["failed_values"] = _sample_table(outcome)
    return facts


def _refused_rows(outcome: Outcome, published: PublishResult) -> dict[str, dg.MetadataValue]:
    """Return the whole rows that an expectation refuses, so that people see which ones they are."""
    if published.refused.is_empty() or outcome.success:
        return {}
    rows = published.refused.filter(pl.col("expectation") == outcome.expectation.check_name).drop("expectation")
    place: dict[str, dg.MetadataValue] = {"refused_rows_are_in": dg.MetadataValue.text(str(published.quarantine))}
    return place if rows.is_empty() else {"refused_rows": dg.MetadataValue.md(markdown_table(rows)), **place}


def _sample_table(outcome: Outcome) -> dg.MetadataValue:
    column = ", ".join(outcome.expectation.subject) or "value"
    records = [
        dg.TableRecord({"#": number, column: value if isinstance(value, (str, int, float, bool)) else _as_json(value)})
        for number, value in enumerate(outcome.sample[:SAMPLE_ROWS], start=1)
    ]
    schema = dg.TableSchema([dg.TableColumn("#", "int"), dg.TableColumn(column, "any")])
    return dg.MetadataValue.table(records, schema=schema)


def _description_of(expect: Expect) -> str:
    arguments = ", ".join(f"{name}={shorten(repr(value))}" for name, value in expect.kwargs.items())
    return f"{expect.type}({arguments}), {expect.severity}"


def _as_json(value: object) -> str:
    return shorten(json.dumps(value, default=str, ensure_ascii=False), _LONGEST)
