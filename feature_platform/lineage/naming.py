"""The names of data in OpenLineage, by its conventions, so that what other tools say of the same table meets ours.

See https://openlineage.io/docs/spec/naming. No name has a user, a password or a query of an address in it.
"""

from pathlib import Path
from typing import NamedTuple

from feature_platform.declarations.source import Source
from feature_platform.parts.sources.database import Database
from feature_platform.parts.sources.delta import Delta
from feature_platform.parts.sources.files import FileConnector

_IN_MEMORY = "inmemory://"
_CONTAINER_FIRST = ("abfs", "abfss", "wasb", "wasbs")  # `container@account` is no user
_WITHOUT_QUERY = (*_CONTAINER_FIRST, "s3", "s3a", "gs", "az", "azure")  # there, a `?` is part of a pattern
_SCHEMES = {"s3a": "s3", "abfs": "abfss"}
_SERVERS = {  # the dialect of a URL: its name, its port, its schema where a table names none
    "postgresql": ("postgres", 5432, "public"),
    "postgres": ("postgres", 5432, "public"),
    "mysql": ("mysql", 3306, None),
    "mariadb": ("mysql", 3306, None),
    "mssql": ("mssql", 1433, "dbo"),
    "oracle": ("oracle", 1521, None),
}


class DatasetName(NamedTuple):
    """The name of some data: where names are unique, and the one of the data there."""

    namespace: str
    name: str


def name_place(address: str) -> DatasetName:
    """Return the name of a path or address.

    >>> name_place("s3://lake/offline/views/spending")
    DatasetName(namespace='s3://lake', name='offline/views/spending')
    >>> name_place("https://ann:secret@files.example/a.csv?token=secret")
    DatasetName(namespace='https://files.example', name='a.csv')
    >>> name_place("file:///data/offline/runs")
    DatasetName(namespace='file', name='/data/offline/runs')
    """
    if "://" not in address:
        return DatasetName("file", str(Path(address).expanduser().absolute()))
    scheme, _, rest = address.partition("://")
    if scheme == "file":
        return DatasetName("file", rest.removeprefix("localhost"))
    if scheme not in _WITHOUT_QUERY:
        rest = rest.partition("#")[0].partition("?")[0]
    authority, _, path = rest.partition("/")
    host = authority if scheme in _CONTAINER_FIRST and ":" not in authority else authority.rpartition("@")[2]
    return DatasetName(f"{_SCHEMES.get(scheme, scheme)}://{host}", path.strip("/"))


def name_raw_data(source: Source) -> DatasetName:
    """Return the name of what a source reads."""
    connector = source.connector
    if isinstance(connector, Database):
        return _name_table(connector, source.name)
    if isinstance(connector, Delta):
        return name_place(connector.uri)
    if isinstance(connector, FileConnector):
        return name_place(connector.path)
    return DatasetName(_IN_MEMORY, source.name)


def _name_table(database: Database, source: str) -> DatasetName:
    """Return the name of a table; that of a query is the one of its source, since it may read several tables."""
    address = database.address
    dialect = address.scheme.partition("+")[0]
    parts = database.table_parts or [f"query of {source}"]
    if dialect == "sqlite":
        return DatasetName("file", f"{Path(address.name).absolute()}/{'.'.join(parts)}")
    name, port, schema = _SERVERS.get(dialect, (dialect, None, None))
    if schema is not None and len(parts) == 1 and database.table is not None:
        parts = [schema, *parts]
    there = address.port or port
    return DatasetName(f"{name}://{address.host}{f':{there}' if there else ''}", ".".join([address.name, *parts]))
