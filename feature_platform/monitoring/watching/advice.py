"""Advice: what to do about each kind of finding, in one or two sentences, with commands that exist."""

from collections.abc import Sequence

from feature_platform.ground.findings import FindingKind
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.watching.causes import Cause, CauseKind

_ADVICE: dict[str, str] = {
    FindingKind.DRIFT: "See what changed upstream: `feature-platform history {asset}`. If the world changed, train "
    "anew and take the new level as usual: `feature-platform alerts accept`.",
    FindingKind.MULTIVARIATE: "Compare the columns together with `fp.drift_report` "
    "(docs/how-to/drift-in-a-notebook.md).",
    FindingKind.VOLUME: "Ask who delivers the data whether rows are missing or doubled; compare with "
    "`feature-platform history {asset}`.",
    FindingKind.SCHEMA: "Ask who delivers the data whether the change was meant, then change the declaration; "
    "`feature-platform rollback {asset} VERSION` restores the last good version.",
    FindingKind.UNIT: "Ask who delivers the data whether the unit changed; convert it in `prepare` and materialize "
    "again.",
    FindingKind.CONSTANT: "Look at the column where it comes from: a constant tells a model nothing.",
    FindingKind.DEAD: "Look at the column where it comes from: it has no values any more.",
    FindingKind.DUPLICATE_KEYS: "Keep one row a key, in `prepare` or at the origin, then materialize again.",
    FindingKind.UNKNOWN_KEYS: "Load the rows of the other side first, or look for keys that are written in another "
    "way.",
    FindingKind.IMPUTED_SHARE: "Look at the views whose values are missing; imputation hides a gap, it does not mend "
    "it.",
    FindingKind.FOREIGN_WRITE: "Materialize the partition again, or `feature-platform rollback {asset} VERSION`; "
    "versions are in `feature-platform history {asset}`.",
    FindingKind.UNREPEATABLE: "Look for what is random in the functions of the asset: a sample without a seed, the "
    "present time, `first` or `last` over rows in no order, a join that picks one of several rows.",
    FindingKind.FRESHNESS: "Ask who delivers the data, and see whether the schedule runs: `feature-platform status`.",
    FindingKind.LATE_PARTITION: "Materialize the partitions; `feature-platform status` says what else is not up to "
    "date.",
    FindingKind.ROWS_GONE: "Ask who delivers the data whether rows were deleted on purpose. If so: `feature-platform "
    "confirm SOURCE FIRST LAST`; else bring them back. See docs/how-to/late-and-gone-data.md.",
    FindingKind.EXPECTATIONS: f"Look at the refused rows in `{TableKind.QUARANTINE.of('{asset}')}`; see "
    "docs/how-to/when-a-check-fails.md.",
    FindingKind.RUN: "Open the run in Dagster; once its cause is mended, materialize again.",
}


def advice(kind: str, asset: str) -> str:
    """Return what to do about a finding of a kind about an asset.

    >>> advice("run", "views/delays")
    'Open the run in Dagster; once its cause is mended, materialize again.'
    """
    return _ADVICE.get(kind, "See `feature-platform history {asset}`.").format(asset=asset)


_REMEDIES = {
    CauseKind.CODE: "See what the new code of {table} changed: `feature-platform history {table}`. If that was meant, "
    "`feature-platform alerts accept` takes the new level as usual; else put the code back and materialize again.",
    CauseKind.FOREIGN_WRITE: _ADVICE[FindingKind.FOREIGN_WRITE]
    .replace("{asset}", "{table}")
    .replace("the partition", "{table}"),
    CauseKind.ROLLBACK: "See whether the rollback of {table} was meant: `feature-platform history {table}`.",
}


def remedy_for(causes: Sequence[Cause]) -> str:
    """Return what to do about the likeliest cause; empty when no cause has a remedy.

    >>> remedy_for([Cause(CauseKind.ROLLBACK, "views/delays", "it was rolled back")])
    'See whether the rollback of views/delays was meant: `feature-platform history views/delays`.'
    """
    return next((_REMEDIES[each.kind].format(table=each.table) for each in causes if each.kind in _REMEDIES), "")
