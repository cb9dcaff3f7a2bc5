"""Frames of other libraries, taken as Polars frames: Arrow tables without a copy, pandas with its index left out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration


class ArrowStream(Protocol):
    """What gives its rows as a stream of Arrow: a table of pyarrow, a frame of pandas, a relation of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


_REMEDY = "Give a frame of Polars, Arrow or pandas, or columns by name."
AnyFrame = pl.DataFrame | pl.LazyFrame | ArrowStream | Mapping[str, Sequence[object]]


def as_polars(frame: AnyFrame, owner: str, remedy: str = _REMEDY) -> pl.DataFrame | pl.LazyFrame:
    """Return a frame of Polars, Arrow or pandas as Polars has it.

    Args:
        frame: a Polars frame, which comes back as it is; anything that gives an Arrow stream; a pandas frame, with
            pyarrow or without; or columns by name.
        owner: who needs it, as errors name it.
        remedy: what would do where it is no frame.

    Raises:
        InvalidDeclaration: it is something else, or a column of it cannot be taken.

    >>> as_polars({"customer": ["ann"]}, "The spine").columns
    ['customer']
    """
    if isinstance(frame, pl.DataFrame | pl.LazyFrame):
        return frame
    if _is_pandas(frame):
        return _from_pandas(frame, owner)
    if not isinstance(frame, Mapping) and not hasattr(frame, "__arrow_c_stream__"):
        raise InvalidDeclaration(owner, f"is a {type(frame).__name__}", remedy)
    try:
        return pl.DataFrame(frame)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidDeclaration(owner, f"cannot be taken as a frame: {reason}", "Give a Polars frame.") from error


def _is_pandas(frame: object) -> bool:
    """Tell a pandas frame by its class: pandas is not imported for those who do not use it."""
    return type(frame).__module__.split(".")[0] == "pandas" and hasattr(frame, "columns")


def _from_pandas(frame: Any, owner: str) -> pl.DataFrame:
    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str) or names.count(name) > 1:
            problem = f"has the column {name!r}{' twice' if isinstance(name, str) else ', which is no text'}"
            raise InvalidDeclaration(owner, problem, "Give each column a name of its own.")
    return pl.DataFrame([_column(name, frame[name], owner) for name in names])


def _column(name: str, values: Any, owner: str) -> pl.Series:
    """Return a column of pandas; what is missing there is null here, and so is NaN, which pandas takes for missing."""
    zone = getattr(values.dtype, "tz", None)
    try:
        if zone is not None:  # the instants, and the zone they are shown in
            instants = pl.Series(name, values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
            shown = str(zone) if "/" in str(zone) else "UTC"  # Polars knows no zones of a fixed offset
            return instants.dt.replace_time_zone("UTC").dt.convert_time_zone(shown)
        if values.dtype.kind in "iufbM" and not hasattr(values.dtype, "na_value"):
            return pl.Series(name, values.to_numpy(), nan_to_null=True)
        objects = values.astype(object)
        return pl.Series(name, objects.where(values.notna(), None).tolist(), strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidDeclaration(
            owner,
            f"has the column `{name}` of pandas' {values.dtype}, which cannot be taken: {reason}",
            "Give it one type, or make a Polars frame of it.",
        ) from error
