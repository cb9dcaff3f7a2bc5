"""An entity: the thing that features describe, found by its join keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from feature_platform.declarations.naming import (
    AS_OF,
    SPINE_TIME,
    validate_added_column,
    validate_column_list,
    validate_name,
)
from feature_platform.ground.errors import InvalidDeclaration


@dataclass(frozen=True, init=False)
class Entity:
    """A thing with features: a customer, an airline, a pair of airports.

    >>> Entity("route", join_keys=["origin", "dest"]).join_keys
    ('origin', 'dest')
    """

    name: str
    join_keys: tuple[str, ...]
    description: str

    def __init__(self, name: str, join_keys: Sequence[str], description: str = "") -> None:
        owner = f"Entity `{validate_name('Entity', name)}`"
        keys = validate_column_list(owner, "join_keys", join_keys)
        if not keys:
            raise InvalidDeclaration(
                owner,
                "has no join keys",
                "Name at least one column; for a global view pass entity=None to the view.",
            )
        for key in keys:
            validate_added_column(owner, key)
        for key in (AS_OF, SPINE_TIME):
            if key in keys:
                raise InvalidDeclaration(
                    owner, f"has the join key `{key}`, the name of a clock", "Rename the column in the source."
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "join_keys", keys)
        object.__setattr__(self, "description", description)
