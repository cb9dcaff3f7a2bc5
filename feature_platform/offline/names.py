"""Where tables live: names, partition keys and locations, all checked before storage is touched.

A table is `<root>/offline/<name>`. Names and keys consist of characters that are safe in a path, in a URI and in the
SQL text of a Delta predicate, so that nothing ever needs quoting.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from feature_platform.ground.errors import InvalidDeclaration

WHOLE = ""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+|\-]*")
_RETENTION = re.compile(r"(?P<number>[1-9][0-9]*)(?P<unit>[dhw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Location:
    """One table of one store, as the functions of this room need it."""

    table: str
    uri: str
    options: Mapping[str, str] = field(repr=False)
    retention: str

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Return a new dictionary each time: deltalake keeps and changes the one it is given."""
        return dict(self.options) or None

    @property
    def folder(self) -> Path | None:
        """Return the folder of a local table; `None` on an object store."""
        local = self.uri.removeprefix("file://")
        return None if "://" in local else Path(local)


def offline_root(root: str) -> str:
    """Return the URI or absolute path below which all tables live.

    >>> offline_root("s3://bucket/features/")
    's3://bucket/features/offline'
    """
    base = root.rstrip("/") if "://" in root else str(Path(root).expanduser().resolve())
    return f"{base}/offline"


def check_table_name(name: str) -> str:
    """Return the name of a table, or raise `InvalidDeclaration`.

    >>> check_table_name("views/carrier_delays")
    'views/carrier_delays'
    """
    if not _NAME.fullmatch(name) or "_delta_log" in name.split("/"):
        raise InvalidDeclaration(
            f"Table name `{name}`",
            "cannot be a folder of the store",
            "Use ASCII letters, digits, `_`, `-` and `.`, with `/` between parts that start with a letter, "
            "a digit or `_`.",
        )
    return name


def check_keys(table: str, keys: Iterable[str]) -> tuple[str, ...]:
    """Return partition keys without repeats, sorted, or raise `InvalidDeclaration` for the first bad one.

    >>> check_keys("views/x", ["2013-01-02", "2013-01-01", "2013-01-01"])
    ('2013-01-01', '2013-01-02')
    """
    unique = tuple(sorted(set(keys)))
    for key in unique:
        if not _KEY.fullmatch(key):
            raise InvalidDeclaration(
                f"Partition key `{key}` of table `{table}`",
                "cannot be stored",
                "Use ASCII letters, digits and `_ . : + | -`, starting with a letter or a digit.",
            )
    return unique


def retention_interval(retention: str) -> str:
    """Return a retention as Delta writes it, or raise `InvalidDeclaration`.

    >>> retention_interval("365d")
    'interval 365 days'
    """
    parts = _RETENTION.fullmatch(retention)
    if parts is None:
        raise InvalidDeclaration(
            f"Retention `{retention}`",
            "is not a length of time",
            "Write hours, days or weeks: 48h, 365d, 52w.",
        )
    return f"interval {parts['number']} {_UNITS[parts['unit']]}"
