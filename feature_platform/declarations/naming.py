"""Names: the same plain form everywhere, because they become asset keys, folders and columns."""

import re
from collections.abc import Sequence

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.working_columns import PREFIX

AS_OF = "as_of"  # the clock of published windows
SPINE_TIME = "event_timestamp"  # the clock of a spine
KNOWN_AT = "known_at"  # when published windows were out, as another view reads them
KNOWN_UNTIL = "known_until"  # from when on another version of an enriched event counts
LABEL_KNOWN_AT = "label_known_at"  # from when on the label of a row of a training set is final
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate_name(kind: str, name: object) -> str:
    """Return the name.

    Raises:
        InvalidDeclaration: it is not letters, digits and underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 100:
        raise InvalidDeclaration(
            f"{kind} {describe_value(name)}",
            "has a name that cannot be an asset key",
            "Use letters, digits and underscores, starting with a letter, at most 100 of them.",
        )
    return name


def name_of_declaration(kind: str, function: object, name: object) -> str:
    """Return the name of what a function declares: the given one, or that of the function where it is None.

    Raises:
        InvalidDeclaration: as `validate_name`.
    """
    return validate_name(kind, getattr(function, "__name__", None) if name is None else name)


def validate_kind(owner: str, word: str, value: object, kinds: type | tuple[type, ...], remedy: str) -> None:
    """Refuse an argument of another class than those that it may have.

    Raises:
        InvalidDeclaration: it is none of them; it says what would do.
    """
    if not isinstance(value, kinds):
        raise InvalidDeclaration(owner, f"has {word}={describe_value(value)}", remedy)


def validate_added_column(owner: str, name: str) -> None:
    """Refuse the name of a join key, a feature or a request field that begins as those of working columns do.

    Raises:
        InvalidDeclaration: it does.
    """
    if name.startswith(PREFIX):
        raise InvalidDeclaration(
            owner,
            f"names the column `{name}`, and `{PREFIX}` is reserved for columns that the platform adds",
            "Give it another name.",
        )


def validate_column(owner: str, word: str, value: object) -> str | None:
    """Return the name of a column, or None.

    Raises:
        InvalidDeclaration: it is something else.
    """
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidDeclaration(
            owner, f"has {word}={describe_value(value)}", f'Give the name of a column: {word}="a".'
        )
    return value


def validate_function(owner: str, word: str, value: object) -> None:
    """Refuse what cannot be called.

    Raises:
        InvalidDeclaration: it is not a function.
    """
    if not callable(value):
        raise InvalidDeclaration(
            owner, f"has {word}={describe_value(value)}", "Give a function from LazyFrame to LazyFrame."
        )


def describe_value(value: object) -> str:
    """Describe a value in a sentence: a declaration by its name, anything else on one line, at most 100 letters.

    >>> describe_value(["a", "b"])
    "['a', 'b']"
    """
    name = getattr(value, "name", None)
    if isinstance(name, str) and (hasattr(value, "asset") or hasattr(value, "members")):
        return f"{type(value).__name__} `{name}`"
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def validate_column_list(owner: str, word: str, values: object) -> tuple[str, ...]:
    """Return a list of column names as a tuple.

    Raises:
        InvalidDeclaration: it is a bare string, holds something else than names, or repeats one.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or not all(isinstance(v, str) and v for v in values):
        raise InvalidDeclaration(
            owner, f"has {word}={describe_value(values)}", f'Give a list of column names: {word}=["a", "b"].'
        )
    if len(set(values)) != len(values):
        raise InvalidDeclaration(owner, f"has {word}={describe_value(values)}", "Name each column once.")
    return tuple(values)
