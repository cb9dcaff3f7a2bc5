"""What is known of one value: why it is what it is, and whether its source says the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from html import escape

import polars as pl

from feature_platform.ground.clock import rfc3339
from feature_platform.ground.shortening import shorten_value

_MOST_ROWS = 100  # as facts


class Reason(StrEnum):
    """Why a value is there, or is null.

    Attributes:
        PRESENT: there is a value.
        NULL_KEY: a part of the key is null, and a null matches nothing.
        NO_ROW: the key has no row at any time.
        NOT_YET: its first row, or the first published instant, is later than the moment.
        NOT_KNOWN_YET: it had happened, but was known, or published, only after the moment.
        NOT_PUBLISHED: its source has it, and the table has not: its partition was not made, or before the row came.
        EXPIRED: the row is older than the `ttl`.
        NULL_IN_ROW: the row or the events are there, and give null.
        EMPTY_WINDOW: no event counts in the window.
        NO_DIMENSION_ROW: null because a table that enriches the events has no row for them.
        FILLED: there was a gap, and an imputation filled it.
    """

    PRESENT = "present"
    NULL_KEY = "null key"
    NO_ROW = "no row"
    NOT_YET = "not yet"
    NOT_KNOWN_YET = "not known yet"
    NOT_PUBLISHED = "not published"
    EXPIRED = "expired"
    NULL_IN_ROW = "null in the row"
    EMPTY_WINDOW = "empty window"
    NO_DIMENSION_ROW = "no dimension row"
    FILLED = "filled"


@dataclass(frozen=True, repr=False)
class TracedValue:
    """One value of a feature, and how it came to be; print it, or look at its attributes.

    Attributes:
        feature: as `view.feature`, or `service.column`.
        value: what a point-in-time join answers for the key at the moment.
        steps: what was found, from the value down to the source, each with what it is about: `("window", "[...)")`.
        time: the event time of the row, or the instant, that the value is of; None where there is none.
        stored: what the table says; None where the value is made when it is asked for.
        again: the value made once more from the source, at the version that was read when it was written.
        agrees: whether `stored` and `again` are the same; None where nothing is stored, or it cannot be made again.
        rows: the rows behind it: of a row view those of its source, of windows the events that count, as the view's
            function gives them, the earliest first.
        dimensions: by table, the rows of other tables that these events see.
        inputs: the values that a derived or on-demand feature, or a filled gap, is made from.
    """

    feature: str
    key: Mapping[str, object]
    at: datetime
    value: object
    reason: Reason
    steps: tuple[tuple[str, str], ...] = ()
    time: datetime | None = None
    stored: object = None
    again: object = None
    agrees: bool | None = None
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    dimensions: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    inputs: tuple["TracedValue", ...] = ()

    @property
    def title(self) -> str:
        """Return in one line what was asked, and the answer."""
        key = " ".join(f"{name}={show_value(value)}" for name, value in self.key.items())
        of_key = f" of {key}" if key else ""
        return f"{self.feature}{of_key} at {short_moment(self.at)} is {show_value(self.value)} ({self.reason})"

    @property
    def differs(self) -> bool:
        """Tell whether a table, for this value or one that it is made from, does not say what its source says."""
        return self.agrees is False or any(each.differs for each in self.inputs)

    def facts(self) -> dict[str, object]:
        """Return the same as plain values, for JSON: times as text, rows as lists of dicts, at most 100 of them."""
        return {
            "feature": self.feature,
            "key": {name: _plain(value) for name, value in self.key.items()},
            "at": rfc3339(self.at),
            "value": _plain(self.value),
            "reason": str(self.reason),
            "steps": [{"about": about, "found": found} for about, found in self.steps],
            "time": _plain(self.time),
            "stored": _plain(self.stored),
            "again": _plain(self.again),
            "agrees": self.agrees,
            "row_count": self.rows.height,
            "rows": _plain_rows(self.rows),
            "dimensions": {table: _plain_rows(rows) for table, rows in self.dimensions.items()},
            "inputs": [each.facts() for each in self.inputs],
        }

    def lines(self, indent: str = "") -> list[str]:
        """Return the title, the steps and what it is made from, one line each."""
        width = max((len(about) for about, _ in self.steps), default=0)
        steps = [f"{indent}  {about.ljust(width)}  {found}" for about, found in self.steps]
        below = [line for each in self.inputs for line in each.lines(f"{indent}  ")]
        return [f"{indent}{self.title}", *steps, *below]

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        steps = "".join(f"<tr><td>{escape(about)}</td><td>{escape(found)}</td></tr>" for about, found in self.steps)
        inputs = "".join(f"<li>{each._repr_html_()}</li>" for each in self.inputs)
        below = f"<ul>{inputs}</ul>" if inputs else ""
        return f"<p><b>{escape(self.title)}</b></p><table><tbody>{steps}</tbody></table>{below}"


def short_moment(moment: object) -> str:
    """Write a moment without the digits that are zero; any other value as it is.

    >>> from feature_platform.ground.clock import moment_of
    >>> short_moment(moment_of(60_000_000)), short_moment(moment_of(1))
    ('1970-01-01T00:01Z', '1970-01-01T00:00:00.000001Z')
    """
    if not isinstance(moment, datetime):
        return show_value(moment)
    text = rfc3339(moment).removesuffix("Z").rstrip("0").rstrip(".")
    whole = text if "." in text else rfc3339(moment)[:19]
    return f"{whole.removesuffix(':00')}Z"


def only_value(values: pl.Series) -> object:
    """Return the value of a series of one; a list as a list.

    >>> only_value(pl.Series([[1, None]]))
    [1, None]
    """
    (value,) = values.to_list()
    return value


def show_value(value: object) -> str:
    """Return a value as people read it: null for none, the beginning of a long one."""
    if isinstance(value, datetime):
        return short_moment(value)
    return "null" if value is None else str(shorten_value(value))


def _plain_rows(rows: pl.DataFrame) -> list[dict[str, object]]:
    return [{name: _plain(value) for name, value in row.items()} for row in rows.head(_MOST_ROWS).iter_rows(named=True)]


def _plain(value: object) -> object:
    """Return a value as JSON has it; a number that JSON has not, and a time, as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if abs(value) < float("inf") else str(value)
        case datetime():
            return rfc3339(value)
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case _:
            return str(value)
