"""The declaration of an Iceberg table, by its name in a catalog."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration, PackageMissing, SourceUnreadable
from feature_platform.ground.secret import SHORTEST_SECRET, Secret, hide_secrets
from feature_platform.parts.sources.base import Connector, Gone, OpenedData, validate_gone, validate_secrets

_OWNER = "Connector Iceberg"
_TABLE = re.compile(r"[^.\s]+(\.[^.\s]+)+")
_CATALOGS = ("bigquery", "dynamodb", "glue", "hive", "rest", "sql")
_SECRET = re.compile(r"secret|token|password|sas-|account-key|credential|authorization", re.IGNORECASE)
_NO_SECRET = ("-id", "-uri", "-at", "-enabled", "-endpoint")  # what only goes with a secret ends so
_PACKAGES = {"pyarrow": "pyarrow", "pyiceberg": "pyiceberg", "polars_iceberg": "polars-iceberg"}
_URI = "uri"


@dataclass(frozen=True, init=False)
class Iceberg(Connector):
    """An Iceberg table by its name in a catalog, at the snapshot that is the newest when a run opens it.

    Args:
        table: with its namespace, `warehouse.stock`.
        catalog: the properties of the catalog as pyiceberg names them, with its `type`: `rest`, `sql`, or another that
            pyiceberg has; see https://py.iceberg.apache.org/configuration/. Its `name`, by default `default`, matters
            to `sql`, where several catalogs may share a database.
        secrets: properties whose value is a secret, such as `token`; also `uri`, where the address holds a password.
        timeout: how long the catalog may take to say what the table is made of.

    >>> Iceberg("warehouse.stock", catalog={"type": "rest", "uri": "https://ice.internal"}).location
    'https://ice.internal warehouse.stock'
    """

    kind = "iceberg"
    rewrites_units = True
    holds_still = True
    units_are = "data files"
    scans_at_once = 4  # each has a file in memory

    table: str
    catalog: Mapping[str, str]
    secrets: Mapping[str, Secret] = field(repr=False)
    timeout: str
    gone: Gone

    def __init__(
        self,
        table: str,
        *,
        catalog: Mapping[str, str],
        secrets: Mapping[str, Secret] | None = None,
        timeout: str = "1m",
        gone: Gone = "kept",
    ) -> None:
        if not isinstance(table, str) or not _TABLE.fullmatch(table):
            raise InvalidDeclaration(_OWNER, f"has table={table!r}", 'Write its namespace, too: "warehouse.stock".')
        clock.microseconds(timeout, f"{_OWNER}, timeout,")
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "secrets", validate_secrets(_OWNER, secrets))
        object.__setattr__(self, "catalog", _validate_catalog(catalog, self.secrets))
        object.__setattr__(self, "timeout", timeout)
        object.__setattr__(self, "gone", validate_gone(_OWNER, gone))

    def __hash__(self) -> int:
        return hash((self.table, self.location))

    @property
    def location(self) -> str:
        return f"{self.catalog.get(_URI) or self.catalog['type'] + ' catalog'} {self.table}"

    @property
    def remedy(self) -> str:
        return "Check the files of the table, and its snapshots that were expired."

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        if _missing_package() is not None:
            return super().failures
        from feature_platform.parts.sources.iceberg_table import READ_ERRORS

        return (*super().failures, *READ_ERRORS)

    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        missing = _missing_package()
        if missing is not None:
            raise PackageMissing(f"Source `{owner}`, an Iceberg table,", missing, "iceberg")
        from feature_platform.parts.sources.iceberg_table import OpenedTable, load_table

        return nullcontext(OpenedTable(load_table(self, owner), self, owner))

    def properties(self, owner: str) -> dict[str, str]:
        """Return the properties of the catalog with its secrets.

        Raises:
            SecretMissing: the variable of a secret is not set.
        """
        revealed = {name: secret.reveal(f"Source `{owner}`") for name, secret in self.secrets.items()}
        return {**self.catalog, **revealed}

    def hide_secrets(self, text: str) -> str:
        values = [secret.reveal(self.location) for secret in self.secrets.values()]
        return hide_secrets(text, [part for value in values for part in (value, *_passwords(value))])

    def refusal(self, owner: str, found: str, remedy: str) -> SourceUnreadable:
        """Return the error that says what a catalog or a file refuses, without any secret."""
        return SourceUnreadable(owner, self.location, self.hide_secrets(found).strip().rstrip(".! "), remedy)


def _missing_package() -> str | None:
    """Return the first package of the extra `iceberg` that is not installed."""
    return next((package for module, package in _PACKAGES.items() if find_spec(module) is None), None)


def _passwords(value: str) -> list[str]:
    """Return the password in a secret that is an address, or that is `user:password`."""
    if "://" in value:
        return _passwords_of_address(value)
    _, _, password = value.partition(":")
    return [password] if len(password) >= SHORTEST_SECRET else []


def _passwords_of_address(address: str) -> list[str]:
    """Return the password in an address, as it is written and as it is meant."""
    try:
        found = urlsplit(address).password
    except ValueError:
        return []
    return [] if found is None else [found, unquote(found)]


def _validate_catalog(catalog: object, secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Return the properties of a catalog; no error shows a value, which may be a secret in the wrong place."""
    if not isinstance(catalog, Mapping) or not all(isinstance(text, str) for each in catalog.items() for text in each):
        remedy = 'Write its properties as texts: catalog={"type": "rest", "uri": "https://..."}.'
        raise InvalidDeclaration(_OWNER, "has a catalog that is not made of texts", remedy)
    if catalog.get("type") not in _CATALOGS:
        remedy = f'Add its "type": one of {", ".join(_CATALOGS)}.'
        raise InvalidDeclaration(_OWNER, "has a catalog of no known type", remedy)
    open_names = [name for name in catalog if _SECRET.search(name) and not name.endswith(_NO_SECRET)]
    address = catalog.get(_URI, "")
    if _passwords_of_address(address) or _SECRET.search(address.partition("?")[2]):
        open_names.append(_URI)
    if open_names:
        raise InvalidDeclaration(
            _OWNER,
            f"has the secret `{open_names[0]}` among the properties of its catalog",
            f'Give its variable: secrets={{"{open_names[0]}": fp.Secret("NAME_OF_A_VARIABLE")}}.',
        )
    if _URI not in {*catalog, *secrets} and catalog["type"] in ("rest", "sql", "hive"):
        raise InvalidDeclaration(_OWNER, "has a catalog without an address", 'Add its "uri".')
    return dict(catalog)
