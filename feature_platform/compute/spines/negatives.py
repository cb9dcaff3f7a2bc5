"""A spine of positives and negatives: for each positive some others that were none, chosen by a stable hash.

Which candidates there are at a moment is read as of that moment. A candidate that is a positive of the moment is no
negative of it.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from feature_platform.compute.keys.buckets import stable_hash
from feature_platform.compute.keys.join_keys import has_whole_key, shared_types
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.ground.errors import TooManyPairs
from feature_platform.ground.working_columns import CANDIDATE_FROM, GROUP, HASH, OCCURRENCE, WANTED

MOST_PAIRS = 10**8
PAIRS_AT_ONCE = 2_000_000


def with_negatives(
    positives: pl.DataFrame,
    candidates: pl.DataFrame,
    *,
    on: Sequence[str],
    ratio: int,
    salt: str,
    available_from: str | None = None,
    owner: str = "with_negatives",
) -> Iterator[pl.DataFrame]:
    """Yield each positive once, and for each up to `ratio` negatives, sorted by moment and key.

    Keys that candidates do not have are those of the positive: of pairs (customer, product) and candidates that are
    products, a negative is another product for the same customer. Of the candidates at a moment those with the
    smallest hashes of (key, moment) are taken, so that a larger ratio holds the negatives of a smaller one.

    Args:
        positives: `event_timestamp` and the keys; rows without one of them are none.
        candidates: the keys that it has, once or several times.
        on: the keys.
        salt: the name of the spine.
        available_from: the column of candidates that says from which moment on each is one; that moment belongs to it.

    Raises:
        TooManyPairs: there are more than 100 million pairs of a positive's moment and a candidate.
        WrongColumnType: a key is not of one type on both sides.

    >>> from feature_platform.ground.clock import UTC
    >>> at = pl.Series("event_timestamp", [5, 5], dtype=UTC)
    >>> clicks = pl.DataFrame([at, pl.Series("item", ["a", "b"])])
    >>> shown = pl.DataFrame({"item": ["a", "b", "c", "d", "e"]})
    >>> pl.concat(with_negatives(clicks, shown, on=["item"], ratio=1, salt="pairs"))["item"].to_list()
    ['a', 'b', 'c', 'e']
    """
    shared = [key for key in on if key in candidates.columns]
    own = [key for key in on if key not in shared]
    types = shared_types(positives.schema, candidates.schema, shared, owner)
    pairs = positives.filter(
        has_whole_key({key: positives.schema[key] for key in on}), pl.col(SPINE_TIME).is_not_null()
    )
    cast = [pl.col(key).cast(types.get(key, positives.schema[key])) for key in on]
    pairs = pairs.select(SPINE_TIME, *cast).unique().sort(SPINE_TIME, *on)
    others = _candidates(candidates, types, available_from)
    groups = pairs.group_by(SPINE_TIME, *own).agg(pl.len().cast(pl.Int64).alias(WANTED)).sort(SPINE_TIME, *own)
    if groups.height * others.height > MOST_PAIRS:
        raise TooManyPairs(owner, groups.height, others.height, MOST_PAIRS)
    yield pairs.clear()
    size = max(PAIRS_AT_ONCE // max(others.height, 1), 1)
    for start in range(0, groups.height, size):
        some = groups.slice(start, size).with_row_index(GROUP)
        here = pairs.join(some.select(SPINE_TIME, *own), on=[SPINE_TIME, *own], how="semi", maintain_order="left")
        chosen = _choose(some, others, here, on, ratio, salt)
        yield pl.concat([here, chosen]).sort(SPINE_TIME, *on)


def _candidates(rows: pl.DataFrame, types: dict[str, pl.DataType], available_from: str | None) -> pl.DataFrame:
    """Return each candidate once, its keys in the types of both sides, with the first moment at which it is one."""
    cast = [pl.col(key).cast(dtype) for key, dtype in types.items()]
    whole = rows.filter(has_whole_key({key: rows.schema[key] for key in types}))
    if available_from is None:
        return whole.select(cast).unique().sort(*types)
    dated = whole.filter(pl.col(available_from).is_not_null())
    named = dated.select(*cast, pl.col(available_from).alias(CANDIDATE_FROM))
    return named.group_by(*types).agg(pl.col(CANDIDATE_FROM).min()).sort(*types)


def _choose(
    groups: pl.DataFrame, others: pl.DataFrame, positives: pl.DataFrame, on: Sequence[str], ratio: int, salt: str
) -> pl.DataFrame:
    """Return the negatives of some groups: of each as many as its positives times the ratio, by the smallest hashes."""
    pairs = groups.join(others, how="cross")
    if CANDIDATE_FROM in pairs.columns:
        pairs = pairs.filter(pl.col(CANDIDATE_FROM) <= pl.col(SPINE_TIME))
    free = pairs.join(positives, on=[SPINE_TIME, *on], how="anti", maintain_order="left")
    ranked = free.with_columns(stable_hash(free, [*on, SPINE_TIME], salt).alias(HASH)).sort(GROUP, HASH, *on)
    place = ranked.with_columns(pl.int_range(pl.len()).over(GROUP).alias(OCCURRENCE))
    return place.filter(pl.col(OCCURRENCE) < ratio * pl.col(WANTED)).select(SPINE_TIME, *on)
