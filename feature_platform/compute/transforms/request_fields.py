"""The request fields of some rows, in the types and within the bounds that an on-demand view declares."""

from collections.abc import Callable, Mapping

import polars as pl

from feature_platform.declarations.field import Field
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.ground.clock import UTC, utc
from feature_platform.ground.errors import MissingRequestField, OutsideBounds, WrongColumnType

_TEXTS = (pl.String, pl.Categorical, pl.Enum)


def convert_request(
    view: OnDemandView,
    frame: pl.DataFrame,
    fields: Mapping[str, pl.DataType],
    saw_clipped: Callable[[str, int], None] | None = None,
) -> pl.DataFrame:
    """Return a frame with its request fields in the types that are declared, which hold every value unchanged.

    Whole numbers meet floats and whole numbers of other widths, floats meet floats, texts meet `String`, times of any
    zone meet UTC (cut to the microsecond). A value outside the bounds that a field declares is refused, or replaced by
    the nearest of them; a null stays a null.

    Args:
        fields: those that are needed, and their types.
        saw_clipped: called with the name of a field and how many of its values were replaced.

    Raises:
        MissingRequestField: the frame lacks one.
        NotUtc: a time without a zone, or text that stands for one.
        WrongColumnType: another type does not meet the declared one, or the declared one cannot hold a value.
        OutsideBounds: a value that is to be refused.

    >>> from feature_platform.declarations.field import Field
    >>> from feature_platform.declarations.on_demand import on_demand
    >>> from feature_platform.declarations.request import Request
    >>> @on_demand(inputs=[Request({"amount": Field(pl.Float64, between=(0, 100), outside="clip")})])
    ... def payment(row):
    ...     return {"share": row["amount"] / 100}
    >>> convert_request(payment, pl.DataFrame({"amount": [-1, 50, None]}), payment.request)["amount"].to_list()
    [0.0, 50.0, None]
    """
    check_request(view, frame.schema, fields, "The frame")
    converted: dict[str, pl.Series] = {}
    for name, dtype in fields.items():
        if name in view.bounded:
            converted[name], clipped = _bound_values(view, frame[name], view.bounded[name])
            if clipped and saw_clipped is not None:
                saw_clipped(name, clipped)
        elif frame.schema[name] != dtype:
            converted[name] = _convert_values(view, frame[name], dtype)
    return frame.with_columns(**converted) if converted else frame


def check_request(view: OnDemandView, schema: pl.Schema, fields: Mapping[str, pl.DataType], asker: str) -> None:
    """Refuse columns that lack a request field or have it in another type; raises as `convert_request` does.

    Args:
        asker: who has the columns, e.g. "The spine".
    """
    if missing := [name for name in fields if name not in schema]:
        raise MissingRequestField(view.name, missing, asker, schema)
    for name, dtype in fields.items():
        if dtype == UTC:
            utc(schema, name, _owner_of_request(view))
        elif not _types_meet(schema[name], dtype):
            raise WrongColumnType(
                _owner_of_request(view), name, schema[name], dtype, "Cast it there, or declare it as it is."
            )


def _bound_values(view: OnDemandView, values: pl.Series, field: Field) -> tuple[pl.Series, int]:
    """Return the values within their bounds, and how many were replaced."""
    if field.between is None or values.dtype == pl.Null or field.dtype.is_temporal():
        values = _convert_values(view, values, field.dtype)
    if _is_inside(values, field):
        return _convert_values(view, values, field.dtype), 0
    below, above, unknown = _outside(values, field)
    refused = unknown if field.outside == "clip" else below | above | unknown
    if refused.any():
        row = int(refused.arg_max() or 0)
        problem = "no number" if unknown[row] else "below its bounds" if below[row] else "above its bounds"
        raise OutsideBounds(view.name, values.name, problem, field.between, row, int(refused.sum()))
    outside = below | above
    if not outside.any():
        return _convert_values(view, values, field.dtype), 0
    inside = _convert_values(view, values.zip_with(~outside, pl.Series([None], dtype=values.dtype)), field.dtype)
    least, greatest = (pl.lit(each, field.dtype) for each in field.between or ())
    nearest = pl.when("below").then(least).when("above").then(greatest).otherwise("inside")
    sides = pl.DataFrame([below.alias("below"), above.alias("above"), inside.alias("inside")])
    return sides.select_seq(nearest.alias(values.name)).to_series(), int(outside.sum())


def _is_inside(values: pl.Series, field: Field) -> bool:
    """Tell whether it is plain, without a query, that every number lies within the bounds: the usual case."""
    if field.between is None or not values.dtype.is_numeric() or (values.dtype.is_float() and values.is_nan().any()):
        return False
    ends = values.min(), values.max()
    if not all(isinstance(each, int | float) for each in (*ends, *field.between)):
        return False
    return bool(field.between[0] <= ends[0] and ends[1] <= field.between[1])  # type: ignore[operator]


def _outside(values: pl.Series, field: Field) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return which values lie below and above the bounds, and which are NaN; a null is none of these."""
    nowhere = pl.repeat(value=False, n=len(values), eager=True)
    if field.between is None or values.dtype == pl.Null:
        return nowhere, nowhere, nowhere
    least, greatest = (pl.lit(each, field.dtype) for each in field.between)  # typed: each type has its own limits
    unknown = values.is_nan().fill_null(value=False) if values.dtype.is_float() else nowhere
    known = ~unknown  # to Polars NaN is greater than every number
    compared = pl.DataFrame([values.alias("n")]).select_seq(below=pl.col("n") < least, above=pl.col("n") > greatest)
    below, above = (compared[side].fill_null(value=False) & known for side in ("below", "above"))
    return below, above, unknown


def _convert_values(view: OnDemandView, values: pl.Series, wanted: pl.DataType) -> pl.Series:
    if wanted == UTC:
        return values.to_frame().select_seq(utc(pl.Schema({values.name: values.dtype}), values.name, "")).to_series()
    if values.dtype == wanted:
        return values
    cast = values.cast(wanted, strict=False)
    if not isinstance(values.dtype, _TEXTS) and not cast.cast(values.dtype, strict=False).eq_missing(values).all():
        raise WrongColumnType(
            _owner_of_request(view),
            values.name,
            f"{values.dtype} with values that {wanted} cannot hold",
            wanted,
            "Send values that fit, or declare a wider type.",
        )
    return cast


def _types_meet(dtype: pl.DataType, wanted: pl.DataType) -> bool:
    if dtype in (wanted, pl.Null):
        return True
    if isinstance(dtype, (pl.List, pl.Array)) and isinstance(wanted, pl.List):
        return dtype.inner in (wanted.inner, pl.Null)
    if dtype.is_integer():
        return wanted.is_numeric()
    return (dtype.is_float() and wanted.is_float()) or (isinstance(dtype, _TEXTS) and wanted == pl.String)


def _owner_of_request(view: OnDemandView) -> str:
    return f"On-demand view `{view.name}`, its request"
