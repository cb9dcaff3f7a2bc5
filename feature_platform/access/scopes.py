"""Scopes: what a caller may do.

A scope is `read:<service>`, `read:*` (every service), `push` or `admin` (everything). All that is not granted is
refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from feature_platform.ground.errors import UnknownScope

ADMIN = "admin"
PUSH = "push"
READ_ALL = "read:*"

_SCOPE = re.compile(r"admin|push|read:(\*|[A-Za-z_][A-Za-z0-9_]{0,99})")


def is_scope(text: str) -> bool:
    """Tell whether a text is a scope; whether its service exists is not checked.

    >>> is_scope("read:delay_v1"), is_scope("read:"), is_scope("openid")
    (True, False, False)
    """
    return _SCOPE.fullmatch(text) is not None


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return scopes without repeats, sorted; at least one.

    Raises:
        UnknownScope: one of them is not a scope, or the list is empty.

    >>> check_scopes(["read:delay_v1", "push", "push"])
    ('push', 'read:delay_v1')
    """
    texts = [scopes] if isinstance(scopes, str) else list(scopes)
    for scope in texts:
        if not isinstance(scope, str) or not is_scope(scope):
            raise UnknownScope(scope)
    if not texts:
        raise UnknownScope("")
    return tuple(sorted(set(texts)))


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, as far as the server needs to know.

    Attributes:
        name: who the key was made for, or the subject of a JWT; fit for a log.
        scopes: what is granted.
        key: the public id of the access key; empty for a JWT.
    """

    name: str
    scopes: frozenset[str]
    key: str = ""

    def allows(self, scope: str) -> bool:
        """Tell whether a scope is granted: by name, by `read:*` for any `read:...`, or by `admin`.

        `read:*` stands for every service, so a scope for one service does not grant it.

        >>> reader = Identity("airline", frozenset({"read:delay_v1"}))
        >>> reader.allows("read:delay_v1"), reader.allows("read:*"), reader.allows("push")
        (True, False, False)
        """
        granted = self.scopes
        return scope in granted or ADMIN in granted or (READ_ALL in granted and scope.startswith("read:"))
