"""Messages: rows that each come by themselves, given to a function many at a time, as if each were alone.

A stream cuts its messages into batches by chance. So that no value depends on the cut, each row has to be made from one
message. Where the plan proves that a function works row by row, all are given at once; elsewhere one after the other.
"""

from collections.abc import Callable, Iterator

import polars as pl

from feature_platform.compute.plans.functions import works_row_by_row
from feature_platform.ground.working_columns import MARK

_BETWEEN = "/"  # in the name of a stream, and of no spool
Function = Callable[[pl.LazyFrame], pl.LazyFrame]
Failures = tuple[type[BaseException], ...]


def stream_name(topic: str, partition: int, incarnation: int = 1) -> str:
    """Return the name by which logs and online stores know a partition of a topic.

    >>> stream_name("payments", 3), stream_name("payments", 3, incarnation=2)
    ('payments/3', 'payments~2/3')
    """
    return f"{topic}{'' if incarnation == 1 else f'~{incarnation}'}{_BETWEEN}{partition}"


def is_stream(name: pl.Expr) -> pl.Expr:
    """Tell whether pushes of a spool are messages of a stream, by the name of the spool."""
    return name.str.contains(_BETWEEN, literal=True)


def map_messages(function: Function, messages: pl.DataFrame, place: str) -> pl.DataFrame:
    """Return what a function makes of each message alone, in their order.

    Args:
        place: the column that gets the place of the message that a row was made of, from 0 on.

    Raises:
        What the function raises.

    >>> messages = pl.DataFrame({"x": [3, 1, 2]})
    >>> map_messages(lambda rows: rows.filter(pl.col("x") > 1).select("x"), messages, "place").rows()
    [(3, 0), (2, 2)]
    """
    if messages.is_empty():
        return function(messages.lazy()).collect().with_columns(pl.lit(None, dtype=pl.UInt32).alias(place)).clear()
    if not works_row_by_row(function, messages.schema):
        alone = (_rows_alone(function, messages, number, place) for number in range(messages.height))
        return pl.concat(alone, how="vertical_relaxed")
    marked = function(messages.with_row_index(MARK).lazy()).collect()
    if MARK in marked.columns:
        return marked.rename({MARK: place}).select(pl.exclude(place), place)
    return pl.concat(_halves(function, messages, 0, place))


def _rows_alone(function: Function, messages: pl.DataFrame, number: int, place: str) -> pl.DataFrame:
    rows = function(messages[number : number + 1].lazy()).collect()
    return rows.with_columns(pl.lit(number, dtype=pl.UInt32).alias(place))


def _halves(function: Function, messages: pl.DataFrame, first: int, place: str) -> Iterator[pl.DataFrame]:
    """Yield the rows of a function that works row by row and hides which row is which, where it keeps all or none.

    Args:
        first: the place of the first message.
    """
    rows = function(messages.lazy()).collect()
    if rows.height in (0, messages.height):
        numbers = pl.int_range(first, first + rows.height, dtype=pl.UInt32, eager=True)
        yield rows.with_columns(numbers.alias(place))
        return
    half = messages.height // 2
    yield from _halves(function, messages[:half], first, place)
    yield from _halves(function, messages[half:], first + half, place)


def split_at_failures(
    take: Callable[[pl.DataFrame], None],
    messages: pl.DataFrame,
    failures: Failures,
    refuse: Callable[[pl.DataFrame, BaseException], None],
) -> None:
    """Take messages in order, as many at a time as can be; those that fail alone are refused.

    Args:
        take: takes messages; where it raises one of the failures it has taken none.
        refuse: gets one message and why it could not be taken.
    """
    try:
        take(messages)
    except failures as error:
        if messages.height == 1:
            refuse(messages, error)
            return
        half = messages.height // 2
        split_at_failures(take, messages[:half], failures, refuse)
        split_at_failures(take, messages[half:], failures, refuse)
