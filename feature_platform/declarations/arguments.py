"""Checks of what users give to functions: a declaration of the right kind, or one error that says what would do."""

import re
from types import ModuleType

from feature_platform.ground.errors import WrongArgument
from feature_platform.ground.shortening import shorten

_OURS = "feature_platform.declarations."


def require_kind(function: str, value: object, kinds: type | tuple[type, ...], takes: str) -> None:
    """Refuse a value that is of none of some kinds.

    Args:
        function: the function as users call it, e.g. `fp.materialize`.
        takes: what would do, as it ends the sentence "It takes ...".

    Raises:
        WrongArgument: names the function, what it was given and what it takes.

    >>> require_kind("fp.publish", "spending", type, "a feature view")
    Traceback (most recent call last):
    ...
    feature_platform.ground.errors.declaring.WrongArgument: ...
    """
    if not isinstance(value, kinds):
        raise WrongArgument(function, describe_argument(value), takes)


def describe_argument(value: object) -> str:
    """Return what a value is, in words.

    >>> describe_argument(["a"]), describe_argument("a"), describe_argument(None)
    ('a value of type list', "the text 'a'", 'None')
    """
    kind = type(value)
    if isinstance(value, ModuleType):
        return f"the module `{value.__name__}`"
    if kind.__module__.startswith(_OURS):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
        return f"the {words} `{getattr(value, 'name', '')}`"
    if isinstance(value, str):
        return f"the text {shorten(repr(value))}"
    return "None" if value is None else f"a value of type {kind.__name__}"
