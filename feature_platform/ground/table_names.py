"""The register of tables: the kinds of tables that a store has, and the name of every table, made and taken apart here.

A name is the folder of a table and stands in commits, so the text of a kind never changes.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, StrEnum


class Beside(Enum):
    """What a table is beside, and is dropped with. The own table of an asset is beside nothing."""

    NOTHING = "nothing"
    ASSET = "asset"
    SOURCE = "source"
    SERVICE = "service"
    STORE = "store"


class TableKind(StrEnum):
    """The kinds of tables. The value is the first part of the names; for the store's own tables it is the name."""

    beside: Beside
    sentence: str

    def __new__(cls, value: str, beside: Beside, sentence: str) -> "TableKind":
        """Make a kind of its value, with what its tables are beside and a sentence that describes them."""
        kind = str.__new__(cls, value)
        kind._value_, kind.beside, kind.sentence = value, beside, sentence
        return kind

    SOURCES = "sources", Beside.NOTHING, "The rows of a source, those that were pushed among them."
    VIEWS = "views", Beside.NOTHING, "The values of the features of a feature view."
    LABELS = "labels", Beside.NOTHING, "The outcomes that models learn to predict."
    SPINES = "spines", Beside.NOTHING, "The keys and moments that features and labels are asked for."
    TRAINING_SETS = (
        "training_sets",
        Beside.NOTHING,
        "The rows that a model is trained on, with each feature as it was known at the moment of its row.",
    )

    QUARANTINE = "quarantine", Beside.ASSET, "Rows that a run did not publish, with the expectation that refused them."
    LATE = "late", Beside.ASSET, "Rows of a source that came later than the declared lateness."
    PROFILES = "profiles", Beside.ASSET, "The profiles of partitions and windows: a row for each of their columns."
    LAYOUTS = "layouts", Beside.ASSET, "The bins in which profiles count the values of a column."
    STATES = (
        "states",
        Beside.ASSET,
        "Rows that stand for all events before a month, from which lifetimes go on; losing them loses nothing.",
    )
    MONITORING = "monitoring", Beside.ASSET, "The results of monitoring: a row for each thing that was checked."

    PUSHES = "pushes", Beside.SOURCE, "The rows that were pushed to a source, with the push that each came in."
    UNREADABLE = (
        "unreadable",
        Beside.SOURCE,
        "Messages of a stream that its source could not take, with their bytes, their place and the reason.",
    )
    UNITS = (
        "units",
        Beside.SOURCE,
        "What each unit of a source, such as a file, held when it was read, so that only new units are read again.",
    )

    IMPUTATION = (
        "imputation",
        Beside.SERVICE,
        "What the imputations of a service had learnt when a training set was built.",
    )
    REQUESTS = "requests", Beside.SERVICE, "The request log: requests to a service and their responses."
    SKEW = "skew", Beside.SERVICE, "Comparisons of logged responses with what training reads for the same requests."
    CONSISTENCY = "consistency", Beside.SERVICE, "Comparisons of the online store with the offline store."

    RUNS = "runs", Beside.STORE, "The records of runs: a row for each run, whether it succeeded or not."
    ACCEPTED = "accepted", Beside.STORE, "The levels that people accepted as the new normal."
    HOLDERS = "holders", Beside.STORE, "The machines that hold the files that only one machine has: alerts and keys."

    def of(self, name: str) -> str:
        """Return the name of the table of this kind beside an asset, such as `views/delays`, a source or a service.

        The own table of a view `delays` is `TableKind.VIEWS.of("delays")`.

        >>> TableKind.QUARANTINE.of("sources/orders"), TableKind.UNITS.of("orders")
        ('quarantine/sources/orders', 'units/orders')
        """
        return f"{self.value}/{name}"

    def bare_name(self, table: str) -> str:
        """Return what `of` was given for a table of this kind; any other text as it is.

        >>> TableKind.VIEWS.bare_name("views/delays"), TableKind.VIEWS.bare_name("delays")
        ('delays', 'delays')
        """
        return table.removeprefix(self.of(""))

    @property
    def pattern(self) -> str:
        """Return how the names of its tables look.

        >>> TableKind.QUARANTINE.pattern, TableKind.RUNS.pattern
        ('quarantine/<asset>', 'runs')
        """
        if self.beside is Beside.STORE:
            return self.value
        return self.of("<name>" if self.beside is Beside.NOTHING else f"<{self.beside.value}>")


def kind_of_table(table: str) -> TableKind | None:
    """Return the kind of a table; None for a name that the platform does not make.

    >>> kind_of_table("late/sources/orders")
    <TableKind.LATE: 'late'>
    """
    first, _, rest = table.partition("/")
    kind = next((kind for kind in TableKind if kind.value == first), None)
    if kind is None or bool(rest) == (kind.beside is Beside.STORE):
        return None
    return kind if kind.beside is not Beside.ASSET or is_asset(rest) else None


def is_asset(table: str) -> bool:
    """Tell whether a name is that of an asset and its own table, not of a table beside one.

    >>> is_asset("views/delays"), is_asset("profiles/views/delays")
    (True, False)
    """
    kind = kind_of_table(table)
    return kind is not None and kind.beside is Beside.NOTHING


def owner_of(table: str) -> str | None:
    """Return the declaration that a table belongs to; None for tables of the whole store, and for unknown ones.

    >>> [owner_of(table) for table in ("quarantine/sources/orders", "units/orders", "requests/shop", "runs")]
    ['sources/orders', 'sources/orders', 'services/shop', None]
    """
    kind = kind_of_table(table)
    if kind is None or kind.beside is Beside.STORE:
        return None
    name = kind.bare_name(table)
    owners = {Beside.NOTHING: table, Beside.ASSET: name, Beside.SOURCE: TableKind.SOURCES.of(name)}
    return owners.get(kind.beside, service_owner(name))


def service_owner(service: str) -> str:
    """Return what the tables of a service belong to; a service has no table of its own.

    >>> service_owner("shop")
    'services/shop'
    """
    return f"services/{service}"


def table_names_of(assets: Iterable[str], services: Iterable[str]) -> Iterator[str]:
    """Yield the names of all tables that a store can have of some assets and services, its own tables first.

    Args:
        assets: the names of their tables, such as `views/delays`.
    """
    yield from _names(Beside.STORE)
    for asset in assets:
        yield asset
        yield from _names(Beside.ASSET, asset)
        if kind_of_table(asset) is TableKind.SOURCES:
            yield from _names(Beside.SOURCE, TableKind.SOURCES.bare_name(asset))
    for service in services:
        yield from _names(Beside.SERVICE, service)


def _names(beside: Beside, name: str = "") -> Iterator[str]:
    """Yield the names of the tables beside one thing."""
    yield from (kind.of(name) if name else kind.value for kind in TableKind if kind.beside is beside)
