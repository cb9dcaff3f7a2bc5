"""The rows an SQL query finds unexpected: Polars' SQL over one table, `{batch}`, and nothing else.

A query that reads a file, or any other table, is refused.
"""

import re

import polars as pl

from feature_platform.quality.subject import NotComputable

_BATCH = "batch"
_READS = re.compile(r"\b(?:read|scan)_\w+\s*\(", re.IGNORECASE)


def unexpected_rows(frame: pl.LazyFrame, query: str) -> pl.LazyFrame:
    """The rows the query finds in a frame; nothing runs.

    Raises:
        NotComputable: Polars cannot read the query, or the query reads something else.

    >>> unexpected_rows(pl.LazyFrame({"fare": [1, -2]}), "SELECT * FROM {batch} WHERE fare < 0").collect().rows()
    [(-2,)]
    """
    if _READS.search(query):
        raise NotComputable("The query reads a file; only `{batch}` can be read.")
    try:
        text = query.rstrip("; \t\r\n\v\f").format(batch=_BATCH)
        found = pl.SQLContext({_BATCH: frame}).execute(text)
        found.collect_schema()
    except (pl.exceptions.PolarsError, KeyError, IndexError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise NotComputable(f"The query cannot be computed: {reason}.") from error
    return found
