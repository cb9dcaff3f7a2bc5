"""Plain values: data that says the same in every process."""

import hashlib
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Protocol, runtime_checkable
from uuid import UUID

import polars as pl

from feature_platform.ground.content import ordered_hash


@runtime_checkable
class Array(Protocol):
    """The part of a numpy array that is needed here: numpy itself is loaded late."""

    dtype: object
    shape: tuple[int, ...]

    def tobytes(self) -> bytes:
        """Return its values."""


def text_of_value(value: object) -> str:
    """Return a value as text, the same in every process; empty for what is not plain data."""
    if value is None or isinstance(value, (bool, int, float, str, bytes, date, timedelta)):
        return repr(value)
    if isinstance(value, pl.Expr):
        written = str(value)  # which shortens long literals
        cut = "…" in written or "[Series]" in written
        return written + (hashlib.blake2b(value.meta.serialize(), digest_size=6).hexdigest() if cut else "")
    if isinstance(value, (pl.Series, pl.DataFrame)):
        return ordered_hash(value.to_frame() if isinstance(value, pl.Series) else value)
    if isinstance(value, pl.DataType) or (isinstance(value, type) and issubclass(value, pl.DataType)):
        return repr(value)
    if isinstance(value, Mapping):
        return repr({str(key): found for key, each in value.items() if (found := text_of_value(each))})
    if isinstance(value, (list, tuple)):
        return repr([text_of_value(each) for each in value])
    if isinstance(value, (set, frozenset)):
        return repr(sorted(text_of_value(each) for each in value))
    return ""


def text_of_constant(value: object) -> str:
    """Return a constant of a module as text: like `text_of_value`, but of more types.

    A list is left out when it is not empty and none of its items is plain.
    Other mappings than dicts are left out: the environment is one, and differs between processes.
    """
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}={text_of_constant(value.value)}"
    if isinstance(value, re.Pattern):
        return f"{value.pattern!r}/{value.flags}"
    if isinstance(value, (Decimal, UUID, range, time, complex)):
        return repr(value)
    if type(value).__module__ == "numpy" and isinstance(value, Array):
        return f"{value.dtype}{value.shape}{hashlib.blake2b(value.tobytes(), digest_size=6).hexdigest()}"
    if isinstance(value, (dict, MappingProxyType)):
        texts = {
            text_of_constant(key) or name_of_value(key): found
            for key, each in value.items()
            if (found := text_of_constant(each))
        }
        return repr(texts) if texts or not value else ""
    if isinstance(value, (list, tuple)):
        return _all(value, [text_of_constant(each) for each in value])
    if isinstance(value, (set, frozenset)):
        return _all(value, sorted(text_of_constant(each) for each in value))
    return "" if isinstance(value, Mapping) else text_of_value(value)


def name_of_value(value: object) -> str:
    """Return a name for what is not plain, without an address."""
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def _all(value: object, texts: list[str]) -> str:
    return repr(texts) if any(texts) or not value else ""
