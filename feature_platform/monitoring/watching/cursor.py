"""The cursor: up to which version each table was read, as a text that a sensor or a file keeps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.offline import OfflineStore
from feature_platform.offline.log_facts import TablePosition, table_position


@dataclass(frozen=True)
class VersionRange:
    """The new versions of a table: those with `after < version <= upto`; none where they are the same.

    Attributes:
        id: Delta's own name of the table; one that is made anew begins anew, with `after` at -1.
    """

    table: str
    id: str
    after: int
    upto: int

    @property
    def has_news(self) -> bool:
        """Tell whether there is a new version."""
        return self.upto > self.after


def decode_cursor(cursor: str | None) -> dict[str, TablePosition]:
    """Return the position of each table in the text of a cursor; empty without a cursor.

    Raises:
        InvalidDeclaration: it is not the text of a cursor.

    >>> decode_cursor('{"runs": ["a1", 4]}')["runs"].version
    4
    """
    try:
        positions = json.loads(cursor) if cursor else {}
        return {str(table): TablePosition(str(name), int(version)) for table, (name, version) in positions.items()}
    except (ValueError, TypeError, AttributeError):
        raise InvalidDeclaration(
            "The cursor of the alerts", f"is {cursor!r:.80}", "Clear it: no notification is sent twice."
        ) from None


def encode_cursor(positions: Mapping[str, TablePosition]) -> str:
    """Return positions as the text of a cursor.

    >>> encode_cursor({"runs": TablePosition("a1", 4)})
    '{"runs": ["a1", 4]}'
    """
    return json.dumps({table: [each.id, each.version] for table, each in sorted(positions.items())})


def new_versions_of(store: OfflineStore, table: str, positions: Mapping[str, TablePosition]) -> VersionRange | None:
    """Return the new versions of a table; None when there is no such table."""
    now, before = table_position(store.location(table)), positions.get(table)
    if now is None:
        return None
    known = before is not None and before.id == now.id
    return VersionRange(table, now.id, before.version if known and before is not None else -1, now.version)
