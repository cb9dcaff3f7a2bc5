"""The profile of a partition as a picture: what its columns hold, at a glance."""

import math
from collections.abc import Sequence

import numpy as np

from feature_platform.compute.profiles.display import rebin_shares, span
from feature_platform.compute.profiles.distinct import distinct
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.ground.pictures.embedded import embed
from feature_platform.ground.pictures.facts import BINS, ROWS, ColumnFacts, cut_to_room, facts_sheet, share_text
from feature_platform.ground.pictures.svg import number_text
from feature_platform.parts.drift.base import Kind

CATEGORIES = 7
_IN_WORDS = 3  # categories that are said in words
_RARE = 0.005  # a share of the leading category below which shares say nothing
_TICKS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}


def profile_picture(profile: PartitionProfile) -> str:
    """Draw a row for each of the first columns, as a Markdown image."""
    known = [(name, profile.columns[name]) for name in profile.dtypes if name in profile.columns]
    columns = [_facts(name, profile.dtypes[name], each) for name, each in known[:ROWS]]
    title = profile.partition or "All rows"
    return embed(facts_sheet(title, _summary(profile), columns, _more(known[ROWS:])))


def null_share(profile: PartitionProfile) -> float:
    """Return the share of missing values (null or NaN) among the values of all columns; 0 without rows or columns."""
    rows = sum(each.rows for each in profile.columns.values())
    return sum(each.missing for each in profile.columns.values()) / rows if rows else 0.0


def _summary(profile: PartitionProfile) -> str:
    facts = [f"{profile.rows:,} rows", f"{len(profile.dtypes)} columns"]
    if len(profile.keys):
        facts.append(f"{distinct(profile.keys):,} entity keys")
    if profile.duplicates:
        facts.append(f"{profile.duplicates:,} rows beyond the first of their identity")
    return ", ".join(facts)


def _more(columns: Sequence[tuple[str, ColumnProfile]]) -> str:
    """Describe the columns that are not drawn: how many, and where most is missing."""
    if not columns:
        return ""
    absent = sorted(((_absent(each), name) for name, each in columns if each.missing), key=lambda at: (-at[0], at[1]))
    most = ", ".join(f"{cut_to_room(name, 20)} {share_text(share)}" for share, name in absent[:3])
    text = f"{len(columns)} more columns are not drawn" if len(columns) > 1 else "One more column is not drawn"
    return f"{text}; most is missing in {most}." if most else f"{text}; nothing is missing in them."


def _facts(name: str, dtype: str, column: ColumnProfile) -> ColumnFacts:
    kind = column.layout.kind
    shares, rest = _shares(column)
    return ColumnFacts(
        name,
        dtype.partition("(")[0],
        shares,
        rest,
        _absent(column),
        None if kind is Kind.OTHER else column.distinct,
        _values(column, dtype),
    )


def _absent(column: ColumnProfile) -> float:
    return column.missing / column.rows if column.rows else 0.0


def _shares(column: ColumnProfile) -> tuple[Sequence[float], float | None]:
    if column.layout.kind is Kind.NUMBER and column.finite and len(column.layout.edges):
        low, high = span([column])
        return rebin_shares(column, np.linspace(low, high, BINS + 1)).tolist(), None
    if column.layout.kind is Kind.CATEGORY and column.values:
        top = [many for _, many in column.top(CATEGORIES)]
        return [many / column.values for many in top], (column.values - sum(top)) / column.values
    return (), None


def _values(column: ColumnProfile, dtype: str) -> tuple[str, str, str] | str:
    kind = column.layout.kind
    if kind is Kind.CATEGORY and column.values:
        return _leading(column)
    if kind is Kind.NUMBER and column.finite:
        return (
            _format_value(column.lowest, dtype),
            _format_value(column.quantile(0.5), dtype),
            _format_value(column.highest, dtype),
        )
    if kind is Kind.NUMBER and column.infinities:
        return f"{column.infinities:,} infinite values"
    return "" if column.values else "no values"


def _leading(column: ColumnProfile) -> str:
    """Return the most frequent categories and their shares; some examples when each is rare."""
    top = [(cut_to_room(name, 14) or "(empty)", many / column.values) for name, many in column.top(_IN_WORDS)]
    if not top or top[0][1] < _RARE:
        return "e.g. " + ", ".join(
            [name for name, _ in top] or [cut_to_room(each, 14) for each in column.unknown[:_IN_WORDS]]
        )
    return " · ".join(f"{name} {share_text(share)}" for name, share in top)


def _format_value(value: float, dtype: str) -> str:
    """Format a number; a time of day as such, a duration in seconds, the length of a list in items."""
    if dtype.startswith("Time"):
        seconds = int(value * 1e-9)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if dtype.startswith("Duration"):
        unit = next((each for name, each in _TICKS.items() if f"'{name}'" in dtype), math.nan)
        return f"{number_text(value * unit)} s"
    return f"{number_text(value)} items" if dtype.startswith("List") else number_text(value)
