"""Drift between two frames: the profiles of both and their scores. Rows are read in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.drift.scores import score_columns
from feature_platform.compute.profiles.counting import layouts_of, profile_of, profiles_by
from feature_platform.compute.profiles.kinds import first_values, name_of_first, value_kind_of, why_not
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.ground.clock import microseconds, season_of, window_of
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, WrongColumnType

OWNER = "drift_scores"


@dataclass(frozen=True)
class ComparedFrames:
    """The profiles of two frames.

    Attributes:
        season: that of the current rows when they are one window of a cadence, else None.
        why_not: why the values of some columns are not compared.
    """

    references: Mapping[str, Reference]
    current: Mapping[str, ColumnProfile]
    season: int | None
    why_not: Mapping[str, str]

    def scores(self, rule: DriftRule) -> pl.DataFrame:
        """Return one row for each column and metric."""
        return score_columns(self.references, self.current, rule, season=self.season, why_not=self.why_not)


@dataclass(frozen=True)
class ReferenceWindows:
    """The windows of a reference: by a time column, each of a number of microseconds."""

    column: str
    every: int

    @property
    def start(self) -> pl.Expr:
        """Return the start of the window of each row."""
        return window_of(pl.col(self.column), self.every)


def compare_frames(
    reference: pl.LazyFrame, current: pl.LazyFrame, columns: Sequence[str] | None, windows: ReferenceWindows | None
) -> ComparedFrames:
    """Profile two frames over the layouts of the reference."""
    reference_schema, current_schema = reference.collect_schema(), current.collect_schema()
    names = checked_columns(reference_schema, current_schema, columns, windows)
    firsts = (name_of_first(name) for name in names if isinstance(reference_schema[name], pl.List))
    names += [name for name in firsts if name in reference_schema and name not in names]
    reasons = {name: reason for name in names if (reason := why_not(reference_schema[name]))}
    layouts = layouts_of(reference, names)
    by = None if windows is None else windows.start
    parts = profiles_by(reference, layouts, by)
    if not parts:
        raise InvalidDeclaration(OWNER, "has a reference without rows", "Give rows to compare with.")
    seasons = [season_of(start, windows.every) if windows and isinstance(start, datetime) else None for start in parts]
    references = {name: Reference(layouts[name], [each[name] for each in parts.values()], seasons) for name in names}
    return ComparedFrames(references, profile_of(current, layouts), _season(current, current_schema, windows), reasons)


def with_first_values(reference: pl.LazyFrame, current: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Return two frames with the first values of lists that both have, where these can be compared with one another."""
    left, right = reference.collect_schema(), current.collect_schema()
    kinds = [
        {name: value_kind_of(dtype) for name, dtype in rows.select(**first_values(schema)).collect_schema().items()}
        for rows, schema in ((reference, left), (current, right))
    ]
    both = [name for name, kind in kinds[0].items() if kinds[1].get(name) is kind]
    firsts = {name: value for name, value in first_values(left).items() if name in both}
    return reference.with_columns(**firsts), current.with_columns(**firsts)


def windows_of(event_time: str | None, every: str | None) -> ReferenceWindows | None:
    """Return how the reference is cut into windows, after checking the arguments.

    Raises:
        InvalidDeclaration: one is given without the other, or `every` is no duration.
    """
    if (event_time is None) != (every is None):
        raise InvalidDeclaration(
            OWNER, f"has event_time={event_time!r} and every={every!r}", 'Give both, e.g. event_time="at", every="1d".'
        )
    return (
        None
        if event_time is None or every is None
        else ReferenceWindows(event_time, microseconds(every, f"{OWNER}, every,"))
    )


def checked_columns(
    reference: pl.Schema, current: pl.Schema, columns: Sequence[str] | None, windows: ReferenceWindows | None
) -> list[str]:
    """Check and return the columns to compare: those asked for, or all of the reference but its event time.

    Raises:
        MissingColumns: a frame lacks one of them, or the reference its event time.
        WrongColumnType: values that cannot be compared with one another, or an event time that is none.
        InvalidDeclaration: there is nothing to compare.
    """
    if isinstance(columns, str):
        raise InvalidDeclaration(OWNER, f"has columns={columns!r}", f"Give a list: columns=[{columns!r}].")
    if windows is not None:
        _check_time(reference, windows.column)
    own = windows.column if windows else None
    names = [name for name in reference if name != own] if columns is None else list(dict.fromkeys(columns))
    if not names:
        raise InvalidDeclaration(OWNER, "has no columns to compare", "Name at least one.")
    for side, schema in (("the reference", reference), ("the current frame", current)):
        if missing := [name for name in names if name not in schema]:
            raise MissingColumns(f"{OWNER}, {side},", missing, schema)
    for name in names:
        left, right = reference[name], current[name]
        if pl.Null not in (left, right) and value_kind_of(left) is not value_kind_of(right):
            remedy = "Cast one of them so that both are numbers, or both categories."
            raise WrongColumnType(
                f"{OWNER}, the current frame", name, right, f"{value_kind_of(left)}, as {left} is,", remedy
            )
    return names


def _check_time(schema: pl.Schema, column: str) -> None:
    if column not in schema:
        raise MissingColumns(f"{OWNER}, the reference,", [column], schema)
    if schema[column] not in (pl.Datetime, pl.Date):
        raise WrongColumnType(f"{OWNER}, the reference", column, schema[column], "a time", "Convert it first.")


def _season(current: pl.LazyFrame, schema: pl.Schema, windows: ReferenceWindows | None) -> int | None:
    """Return the season of the current rows when they are all in one window."""
    if windows is None or schema.get(windows.column) not in (pl.Datetime, pl.Date):
        return None
    starts = current.select(windows.start.min().alias("low"), windows.start.max().alias("high"))
    low, high = starts.collect(engine="streaming").row(0)
    return season_of(low, windows.every) if low is not None and low == high else None
