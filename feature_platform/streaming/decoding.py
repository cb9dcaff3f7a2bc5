"""Decoding: JSON messages as rows of a declared schema, each value exactly as it was sent, or the message refused."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.parts.sources.json import Extra

_RANGES: Mapping[type[pl.DataType], tuple[int, int | None]] = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, None),  # msgspec has no bound there; what is larger is refused by Polars
}


class JsonDecoder:
    """Decodes messages of a schema.

    Args:
        extra: `refuse` refuses messages with fields that the schema does not name, `ignore` leaves these out.

    >>> rows, reasons = JsonDecoder({"user": pl.String()}, "ignore").decode([b'{"user": "ann"}', b'{"user": 3}'])
    >>> rows.rows(), reasons[1]
    ([('ann',), (None,)], 'Expected `str | null`, got `int` - at `$.user`')
    """

    def __init__(self, schema: Mapping[str, pl.DataType], extra: Extra) -> None:
        self.schema = pl.Schema(schema)
        object_type = _struct_of(self.schema, extra)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(object_type).decode
        self._empty = object_type()

    def decode(self, values: Sequence[bytes]) -> tuple[pl.DataFrame, list[str | None]]:
        """Return a row for each message, and for each the reason why it is refused; its row is null then.

        The reasons show the place of a fault in the message, and none of its values.
        """
        objects, reasons = list[Any](), list[str | None]()
        for value in values:
            try:
                objects.append(self._decode(value))
                reasons.append(None)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                objects.append(self._empty)
                reasons.append(str(error) or type(error).__name__)
        return pl.DataFrame([self._column(place, objects) for place in range(len(self.schema))]), reasons

    def _column(self, place: int, objects: Sequence[Any]) -> pl.Series:
        name, dtype = self.schema.names()[place], self.schema.dtypes()[place]
        field = f"f{place}"
        values = [getattr(each, field) for each in objects]
        if isinstance(dtype, (pl.List, pl.Struct)):
            values = msgspec.to_builtins(values, builtin_types=(date, datetime))
        if isinstance(dtype, pl.Datetime):
            moments = pl.Series(name, values, dtype=pl.Datetime("us", "UTC"))
            return moments.dt.cast_time_unit(dtype.time_unit).dt.convert_time_zone(str(dtype.time_zone))
        return pl.Series(name, values, dtype=dtype)


def _struct_of(fields: Mapping[str, pl.DataType], extra: Extra) -> type[msgspec.Struct]:
    """Return a type of objects with such fields, all of which may be missing."""
    attributes = [(f"f{place}", _type_of(dtype, extra), None) for place, dtype in enumerate(fields.values())]
    renamed = {f"f{place}": name for place, name in enumerate(fields)}
    return msgspec.defstruct("Message", attributes, rename=renamed, forbid_unknown_fields=extra == "refuse")


def _type_of(dtype: pl.DataType, extra: Extra) -> Any:
    """Return the type whose values a column takes without a change, or null."""
    inner: Any
    match dtype:
        case pl.List():
            inner = list[_type_of(as_dtype(dtype.inner), extra)]  # type: ignore[misc]
        case pl.Struct():
            inner = _struct_of({field.name: as_dtype(field.dtype) for field in dtype.fields}, extra)
        case pl.Datetime():
            inner = Annotated[datetime, msgspec.Meta(tz=True)]
        case pl.Date():
            inner = date
        case pl.Boolean():
            inner = bool
        case pl.String():
            inner = str
        case pl.Float32() | pl.Float64():
            inner = float
        case _:
            low, high = _RANGES[type(dtype)]
            inner = Annotated[int, msgspec.Meta(ge=low, le=high)]
    return inner | None
