"""Advice: what to do about each kind of trouble, in one or two sentences, with commands that exist."""

from collections.abc import Sequence

from feature_platform.monitoring.watching.causes import Cause

_ADVICE = {
    "drift": "See what changed upstream: `feature-platform history {asset}`. If the world changed, train anew and take "
    "the new level as usual: `feature-platform alerts accept`.",
    "multivariate": "Compare the columns together with `fp.drift_report` (docs/how-to/drift-in-a-notebook.md).",
    "volume": "Ask who delivers the data whether rows are missing or doubled; compare with "
    "`feature-platform history {asset}`.",
    "schema": "Ask who delivers the data whether the change was meant, then change the declaration; "
    "`feature-platform rollback {asset} VERSION` restores the last good version.",
    "unit": "Ask who delivers the data whether the unit changed; convert it in `prepare` and materialize again.",
    "constant": "Look at the column where it comes from: a constant tells a model nothing.",
    "dead": "Look at the column where it comes from: it has no values any more.",
    "duplicate_keys": "Keep one row a key, in `prepare` or at the origin, then materialize again.",
    "unknown_keys": "Load the rows of the other side first, or look for keys that are written in another way.",
    "imputed_share": "Look at the views whose values are missing; imputation hides a gap, it does not mend it.",
    "foreign_write": "Materialize the partition again, or `feature-platform rollback {asset} VERSION`; versions are in "
    "`feature-platform history {asset}`.",
    "unrepeatable": "Look for what is random in the functions of the asset: a sample without a seed, the present time, "
    "`first` or `last` over rows in no order, a join that picks one of several rows.",
    "freshness": "Ask who delivers the data, and see whether the schedule runs: `feature-platform status`.",
    "late_partition": "Materialize the partitions; `feature-platform status` says what else is not up to date.",
    "rows_gone": "Ask who delivers the data whether rows were deleted on purpose. If so: `feature-platform confirm "
    "SOURCE FIRST LAST`; else bring them back. See docs/how-to/late-and-gone-data.md.",
    "expectations": "Look at the refused rows in `quarantine/{asset}`; see docs/how-to/when-a-check-fails.md.",
    "run": "Open the run in Dagster; once its cause is mended, materialize again.",
}


def advice(kind: str, asset: str) -> str:
    """What to do about a trouble of an asset.

    >>> advice("run", "views/delays")
    'Open the run in Dagster; once its cause is mended, materialize again.'
    """
    return _ADVICE.get(kind, "See `feature-platform history {asset}`.").format(asset=asset)


_REMEDIES = {
    "code": "See what the new code of {table} changed: `feature-platform history {table}`. If that was meant, "
    "`feature-platform alerts accept` takes the new level as usual; else put the code back and materialize again.",
    "foreign_write": _ADVICE["foreign_write"].replace("{asset}", "{table}").replace("the partition", "{table}"),
    "rollback": "See whether the rollback of {table} was meant: `feature-platform history {table}`.",
}


def remedy_for(causes: Sequence[Cause]) -> str:
    """What to do about the likeliest cause; empty when none says.

    >>> remedy_for([Cause("rollback", "views/delays", "it was rolled back")])
    'See whether the rollback of views/delays was meant: `feature-platform history views/delays`.'
    """
    return next((_REMEDIES[each.kind].format(table=each.table) for each in causes if each.kind in _REMEDIES), "")
