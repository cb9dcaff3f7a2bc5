"""Requests as the request log has them: the entities of each answered request, as rows with the moment of the answer.

A row has what the client sent, in the types of the join keys and request fields, so that it can be asked again.
"""

from collections.abc import Mapping, Sequence

import msgspec
import polars as pl

from feature_platform.compute.serving.keys import typed_parts
from feature_platform.compute.serving.request_values import request_column
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.ground.clock import UTC

REQUEST_COLUMNS = ("at", "entities", "statuses")
_NULL = b"null"


def read_asked_rows(
    logged: pl.DataFrame, join_keys: Mapping[str, pl.DataType], fields: Mapping[str, pl.DataType], owner: str
) -> pl.DataFrame:
    """Return a row for each entity of each logged request: join keys, request fields, then `event_timestamp`.

    They are in the order of the log. A key or field that a request did not have is null. Fields have types that meet
    the declared ones, as they do when a request is answered, and are not held to their bounds.

    Args:
        logged: rows of a request log; of its columns those of `REQUEST_COLUMNS` are read.
        owner: what errors call the log.

    Raises:
        InvalidKey, WrongColumnType, NotUtc: a value is none of its type any more.

    >>> from feature_platform.ground.clock import moment_of
    >>> log = {"at": [moment_of(0)], "entities": ['{"customer": ["7", 8]}'], "statuses": ['[["PRESENT"], ["PRESENT"]]']}
    >>> logged = pl.DataFrame(log, schema={"at": UTC, "entities": pl.String, "statuses": pl.String})
    >>> read_asked_rows(logged, {"customer": pl.Int32()}, {}, "The log")["customer"].to_list()
    [7, 8]
    """
    texts: dict[str, list[bytes]] = {name: [] for name in (*join_keys, *fields)}
    heights: list[int] = []
    for entities_text, statuses_text in logged.select("entities", "statuses").iter_rows():
        entities = msgspec.json.decode(entities_text, type=dict[str, list[msgspec.Raw]])
        height = len(msgspec.json.decode(statuses_text, type=list[msgspec.Raw]))
        for name, column in texts.items():
            column.extend(map(bytes, entities.get(name) or [msgspec.Raw(_NULL)] * height))
        heights.append(height)
    keys = {name: _decode_column(texts[name]) for name in join_keys}
    columns = [*typed_parts(join_keys, keys, owner)] if join_keys else []
    columns += [request_column(owner, name, dtype, _decode_column(texts[name])) for name, dtype in fields.items()]
    counts = pl.Series(heights, dtype=pl.UInt32)
    moments = logged.select(pl.col("at").cast(UTC).repeat_by(counts).list.explode(empty_as_null=False))
    return pl.DataFrame([*columns, moments.to_series().alias(SPINE_TIME)])


def _decode_column(texts: Sequence[bytes]) -> list[object]:
    decoded: list[object] = msgspec.json.decode(b"[%b]" % b",".join(texts), type=list[object])
    return decoded
