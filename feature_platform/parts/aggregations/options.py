"""What may be said of every aggregation beside its column and its windows, and how it is checked."""

from collections.abc import Sequence
from typing import TypedDict

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration

OTHER = "other"  # in a feature's name: the events of no category that is named
_MOST_CATEGORIES = 1_000


class WindowOptions(TypedDict, total=False):
    """What else may be said of an aggregation, whatever it is; see `Aggregation`."""

    lag: str
    where: pl.Expr
    by: str
    categories: Sequence[str]
    tz: str


def kept_options(culprit: str, options: WindowOptions) -> dict[str, object]:
    """Return the options that were given, checked.

    Raises:
        InvalidDeclaration: one of them means nothing.
        TypeError: there is no such option.
    """
    unknown = options.keys() - WindowOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"{culprit} has no argument {min(unknown)!r}")
    kept: dict[str, object] = {}
    for word in ("lag", "by", "tz"):
        if (value := options.get(word)) is not None:
            kept[word] = require_text(culprit, word, value)
    if (where := options.get("where")) is not None:
        if not isinstance(where, pl.Expr):
            raise InvalidDeclaration(culprit, f"has where={where!r}", 'Give an expression: pl.col("price") > 100.')
        kept["where"] = where
    categories = options.get("categories")
    if ("by" in kept) != (categories is not None):
        raise InvalidDeclaration(
            culprit,
            f"has by={options.get('by')!r} and categories={categories!r}",
            'Give both, e.g. by="category", categories=["food", "toys"]: features are named before data is seen.',
        )
    if categories is not None:
        kept["categories"] = _require_categories(culprit, categories)
    return kept


def require_text(culprit: str, word: str, value: object) -> str:
    """Return a text that is not empty.

    Raises:
        InvalidDeclaration: it is something else.
    """
    if not isinstance(value, str) or not value:
        raise InvalidDeclaration(culprit, f"has {word}={value!r}", "Give a text that is not empty.")
    return value


def _require_categories(culprit: str, categories: object) -> tuple[str, ...]:
    texts = isinstance(categories, Sequence) and not isinstance(categories, str)
    found = tuple(categories) if texts and isinstance(categories, Sequence) else ()
    fine = all(isinstance(each, str) and each and each != OTHER for each in found)
    if not 0 < len(found) <= _MOST_CATEGORIES or not fine or len(set(found)) != len(found):
        raise InvalidDeclaration(
            culprit,
            f"has categories={categories!r}",
            f"Give at most {_MOST_CATEGORIES:,} different texts, none of them `{OTHER}`, which all others are.",
        )
    return found
