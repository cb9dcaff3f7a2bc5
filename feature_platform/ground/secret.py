"""A secret: the name of an environment variable. What it holds is looked up where it is used, and shown nowhere."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from feature_platform.ground.errors import InvalidDeclaration, SecretMissing

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_HIDDEN = "***"
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|CREDENTIAL|(^|_)KEY$", re.IGNORECASE)
SHORTEST_SECRET = 6  # what is shorter may be part of any word


@dataclass(frozen=True, init=False)
class Secret:
    """The name of an environment variable that holds a password or a key.

    >>> Secret("SHOP_DB_PASSWORD")
    Secret(name='SHOP_DB_PASSWORD')
    """

    name: str

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):  # it may be the password itself, so it is not shown
            raise InvalidDeclaration(
                "fp.Secret",
                "was given something else than the name of an environment variable",
                'Write the name in capital letters, e.g. fp.Secret("SHOP_DB_PASSWORD").',
            )
        object.__setattr__(self, "name", name)

    def reveal(self, owner: str) -> str:
        """Return what the variable holds.

        Args:
            owner: who needs it, for the error.

        Raises:
            SecretMissing: the variable is not set, or is empty.
        """
        value = os.environ.get(self.name)
        if not value:
            raise SecretMissing(owner, self.name)
        return value


def values_that_look_secret() -> list[str]:
    """Return what the variables of the environment hold whose names say that it is secret."""
    return [value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET]


def hide_secrets(text: str, values: Iterable[str]) -> str:
    """Return a text in which every secret, plain or escaped as in a URL, is replaced by `***`.

    >>> hide_secrets("no user 'ann' with password a%2Fb", ["a/b"])
    "no user 'ann' with password ***"
    """
    forms = {
        form for value in values if value for form in (value, quote(value, safe=""), quote_plus(value), quote(value))
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    return text
