"""The request fields of some rows, in the types and within the bounds that are declared."""

from collections.abc import Callable, Mapping

import polars as pl

from feature_platform.compute.transforms.nested_values import cast_values, is_kept, types_meet, wrong_length
from feature_platform.declarations.field import Between, Field
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.ground.clock import UTC, utc
from feature_platform.ground.errors import MissingRequestField, OutsideBounds, WrongColumnType

Clipped = Callable[[str, int], object]
_REMEDY = "Send values that fit, or declare a wider type."


def convert_request(
    view: OnDemandView,
    frame: pl.DataFrame,
    fields: Mapping[str, pl.DataType],
    saw_clipped: Clipped | None = None,
    *,
    bounded: Mapping[str, Field] | None = None,
    is_spine: bool = False,
) -> pl.DataFrame:
    """Return a frame with its request fields in the types that are declared, which hold every value.

    Whole numbers meet floats and whole numbers of other widths, floats meet floats, texts meet `String`, times of any
    zone meet UTC (cut to the microsecond); so in lists, arrays and structs, where times are UTC already. A list meets
    an array of its length, a struct one with the same fields. No value changes, but that a float is rounded to the
    nearest `Float32` where that is declared. A value outside the bounds of a field is refused, or replaced by the
    nearest of them; a null stays a null.

    Args:
        fields: those that are needed, and their types.
        saw_clipped: called with the name of a field and how many of its values were replaced.
        bounded: the fields with bounds. Defaults to those of the view.
        is_spine: the rows are those of a spine, of which an error may show a value.

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
    bounds = view.bounded if bounded is None else bounded
    converted: dict[str, pl.Series] = {}
    for name, dtype in fields.items():
        if name in bounds and (between := bounds[name].between) is not None:
            converted[name], clipped = _bound_values(view, frame[name], bounds[name], between, is_spine=is_spine)
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
            utc(schema, name, owner_of_request(view.name))
        elif not types_meet(schema[name], dtype):
            raise WrongColumnType(
                owner_of_request(view.name), name, schema[name], dtype, "Cast it there, or declare it as it is."
            )


def owner_of_request(view: str) -> str:
    """Return what errors call the request of an on-demand view."""
    return f"On-demand view `{view}`, its request"


def is_outside(name: str, dtype: pl.DataType, field: Field) -> pl.Expr:
    """Tell of each value of a column whether it lies outside the bounds of a field; NaN and nulls do not.

    Args:
        dtype: of the column, which meets that of the field.

    >>> amounts = pl.DataFrame({"amount": [-1.0, 5.0, None]})
    >>> amounts.select(is_outside("amount", pl.Float64(), Field(pl.Float64, between=(0, 10))))["amount"].to_list()
    [True, False, False]
    """
    value = pl.col(name)
    if dtype == pl.Null or field.between is None:
        return pl.lit(value=False).alias(name)
    if dtype.is_float() and field.dtype.is_float():
        value = value.cast(field.dtype)
    below, above, _ = _sides(value, dtype, field.dtype, field.between)
    return (below | above).alias(name)


def _bound_values(
    view: OnDemandView, values: pl.Series, field: Field, between: Between, *, is_spine: bool
) -> tuple[pl.Series, int]:
    """Return the values within their bounds, and how many were replaced."""
    values = _comparable(values, field)
    if _is_inside(values, between):
        return _convert_values(view, values, field.dtype), 0
    below, above, unknown = _outside(values, field.dtype, between)
    refused = unknown if field.outside == "clip" else below | above | unknown
    if refused.any():
        row = int(refused.arg_max() or 0)
        problem = "no number" if unknown[row] else "below its bounds" if below[row] else "above its bounds"
        example = values[row] if is_spine else None
        raise OutsideBounds(view.name, values.name, problem, between, row, int(refused.sum()), example)
    outside = below | above
    if not outside.any():
        return _convert_values(view, values, field.dtype), 0
    inside = _convert_values(view, values.zip_with(~outside, pl.Series([None], dtype=values.dtype)), field.dtype)
    least, greatest = (pl.lit(each, field.dtype) for each in between)
    nearest = pl.when("below").then(least).when("above").then(greatest).otherwise("inside")
    sides = pl.DataFrame([below.alias("below"), above.alias("above"), inside.alias("inside")])
    return sides.select_seq(nearest.alias(values.name)).to_series(), int(outside.sum())


def _comparable(values: pl.Series, field: Field) -> pl.Series:
    """Return values as they are compared with bounds: times in UTC, floats rounded; whole numbers as they came."""
    if field.dtype == UTC and values.dtype != pl.Null:
        return _in_utc(values)
    plain = values.dtype == pl.Null or (values.dtype.is_float() and field.dtype.is_float())
    return values.cast(field.dtype) if plain else values


def _is_inside(values: pl.Series, between: Between) -> bool:
    """Tell whether it is plain, without a query, that every number lies within the bounds: the usual case."""
    if not values.dtype.is_numeric() or (values.dtype.is_float() and values.is_nan().any()):
        return False
    (least, greatest), (low, high) = between, (values.min(), values.max())
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return False
    above = least is None or (isinstance(least, int | float) and least <= low)
    return above and (greatest is None or (isinstance(greatest, int | float) and high <= greatest))


def _outside(values: pl.Series, dtype: pl.DataType, between: Between) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return which values lie below and above the bounds, and which are NaN; a null is none of these."""
    if values.dtype == pl.Null:
        nowhere = pl.repeat(value=False, n=len(values), eager=True)
        return nowhere, nowhere, nowhere
    below, above, unknown = _sides(pl.col("n"), values.dtype, dtype, between)
    sides = pl.DataFrame([values.alias("n")]).select_seq(n="n", below=below, above=above, unknown=unknown)
    return sides["below"], sides["above"], sides["unknown"]


def _sides(
    value: pl.Expr, dtype: pl.DataType, wanted: pl.DataType, between: Between
) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    least, greatest = (pl.lit(each, wanted) for each in between)  # typed: each type has its own limits
    unknown = value.is_nan().fill_null(value=False) if dtype.is_float() else pl.lit(value=False)
    below, above = (side.fill_null(value=False) & ~unknown for side in (value < least, value > greatest))
    return below, above, unknown  # to Polars NaN is greater than every number


def _in_utc(values: pl.Series) -> pl.Series:
    return values.to_frame().select_seq(utc(pl.Schema({values.name: values.dtype}), values.name, "")).to_series()


def _convert_values(view: OnDemandView, values: pl.Series, wanted: pl.DataType) -> pl.Series:
    if wanted == UTC:
        return _in_utc(values)
    if values.dtype == wanted:
        return values
    owner = owner_of_request(view.name)
    if (wrong := wrong_length(values, wanted)) is not None:
        more = f" and {wrong.rows - 1} more" if wrong.rows > 1 else ""
        found = f"a list of {wrong.length} in row {wrong.row}{more}, counted from 0"
        raise WrongColumnType(owner, values.name, found, wanted, "Send lists of the declared length.")
    cast = cast_values(values, wanted)
    if not is_kept(values, cast):
        found = f"{values.dtype} with values that {wanted} cannot hold"
        raise WrongColumnType(owner, values.name, found, wanted, _REMEDY)
    return cast
