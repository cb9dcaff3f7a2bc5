"""Names: the same plain form everywhere, because they become asset keys, folders and columns."""

import re
from collections.abc import Sequence

from feature_platform.errors import InvalidDeclaration

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_name(kind: str, name: object) -> str:
    """The name itself.

    Raises:
        InvalidDeclaration: it is not letters, digits and underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 100:
        raise InvalidDeclaration(
            f"{kind} {name!r}",
            "has a name that cannot be an asset key",
            "Use letters, digits and underscores, starting with a letter, at most 100 of them.",
        )
    return name


def checked_list(owner: str, word: str, values: object) -> tuple[str, ...]:
    """A list of column names as a tuple.

    Raises:
        InvalidDeclaration: it is a bare string, holds something else than names, or repeats one.
    """
    if (
        isinstance(values, str)
        or not isinstance(values, Sequence)
        or not all(isinstance(v, str) and v for v in values)
    ):
        raise InvalidDeclaration(
            owner, f"has {word}={values!r}", f'Give a list of column names: {word}=["a", "b"].'
        )
    if len(set(values)) != len(values):
        raise InvalidDeclaration(owner, f"has {word}={values!r}", "Name each column once.")
    return tuple(values)
