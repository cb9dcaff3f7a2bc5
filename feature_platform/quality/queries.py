"""The rows that an SQL query finds unexpected: Polars' SQL over one table, `{batch}`, and nothing else.

Polars opens files while it parses SQL. So our own lexer reads the query and prints it again from known words; a query
that reads a file, or any other table, is refused before Polars sees it.
"""

from collections.abc import Collection

import polars as pl

from feature_platform.ground.shortening import shorten
from feature_platform.ground.sql import UnreadableSql, print_query
from feature_platform.quality.target import NotComputable

_BATCH = "batch"


def unexpected_rows(frame: pl.LazyFrame, query: str) -> pl.LazyFrame:
    """Return the rows that the query finds in a frame, as a lazy frame; nothing runs.

    Raises:
        NotComputable: Polars cannot compute the query, or the query reads something else.

    >>> unexpected_rows(pl.LazyFrame({"fare": [1, -2]}), "SELECT * FROM {batch} WHERE fare < 0").collect().rows()
    [(-2,)]
    """
    try:
        text = print_query(query, tables=[_BATCH], columns=frame.collect_schema().names())
        rows = pl.SQLContext({_BATCH: frame}).execute(text)
        rows.collect_schema()
    except UnreadableSql as error:
        raise NotComputable(f"The query cannot be computed: {error}.") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = shorten(str(error).splitlines()[0].rstrip("."))
        raise NotComputable(f"The query cannot be computed: {reason}.") from error
    return rows


def query_fault(query: str, columns: Collection[str] | None = None) -> str | None:
    """Return why a query may not be run on any data, or on data of these columns; None when it may.

    >>> query_fault("SELECT * FROM read_csv('a.csv')")
    'it reads `read_csv` at character 15; only `{batch}` can be read'
    """
    try:
        print_query(query, tables=[_BATCH], columns=columns)
    except UnreadableSql as error:
        return str(error)
    return None
