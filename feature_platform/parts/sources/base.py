"""What a connector is: a place that rows can be read from, lazily, and that tells when its data changed."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, TypeVar, get_args

import polars as pl

from feature_platform.ground.clock import Grain
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.secret import Secret

Gone = Literal["kept", "taken", "refuse", "rolling"]
Changed = Literal["taken", "refuse"]
WHOLE_UNIT = "*"  # the name of the only unit of what cannot be read piece by piece
_Word = TypeVar("_Word", bound=str)
_GONE: tuple[Gone, ...] = get_args(Gone)
_CHANGED: tuple[Changed, ...] = get_args(Changed)


@dataclass(frozen=True)
class DataUnit:
    """A piece of the data that comes, changes and goes as a whole: a file, a data file of Delta, a day of a database.

    Attributes:
        stamp: changes whenever what the unit holds may have changed; cheap to find out.
    """

    name: str
    stamp: str


@dataclass(frozen=True)
class Slicing:
    """How a place that has no units of its own may cut its rows into some: by time.

    Attributes:
        column: the raw column that the event time is read from; it may be missing.
        grain: of the project's partitions.
        at: the present.
        asked_from: from when on a run takes rows in.
        known: returns the units that were there at the last look, with their stamps.
    """

    column: str
    grain: Grain
    at: datetime
    asked_from: datetime
    known: Callable[[], Mapping[str, str]]


class OpenedData(ABC):
    """The data of a connector as it is at one moment: a listing of files, a version of a table, a transaction."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """Scan all rows lazily.

        Raises:
            SourceUnreadable: nothing that can be read.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short text that changes when the data does: the data version of the source."""

    def versions(self) -> Mapping[str, int]:
        """Return the version of each table that it is made of, by its URI; none of data that has no versions."""
        return {}

    def young(self, at: datetime) -> frozenset[str]:
        """Return the units that may still be being written at a moment; none where the connector does not settle."""
        return frozenset()

    def settle(self, at: datetime, known: Callable[[], Mapping[str, str]]) -> "OpenedData":
        """Return the same data without what may still be being written: new units are not there, others are as known.

        Args:
            at: the present.
            known: returns the units that were there at the last look, with their stamps.

        Raises:
            SourceUnreadable: nothing is left, or it is not known which of the units were there.
        """
        return self

    def cut_by(self, slicing: Slicing) -> "OpenedData":
        """Return the same data in units of time, where the place has no units of its own; as it is where it has."""
        return self

    def units(self) -> list[DataUnit] | None:
        """List the units that the data lies in, without reading them; None when it lies in one piece."""
        return None

    def schemas(self, known: Mapping[str, pl.Schema]) -> tuple[pl.Schema, Mapping[str, pl.Schema]]:
        """Return the columns of all rows, and those of each unit where units may differ in theirs.

        Args:
            known: the columns of units that are not opened again.

        Raises:
            SourceUnreadable: a unit cannot be read, or its columns do not go with those of others.
            NoRowsYet: there are headers but no row that would tell the types.
        """
        return self.scan().collect_schema(), {}

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        """Scan the rows of some units lazily, as `scan` would give them; other units are not opened.

        Args:
            names: of units that `units` lists, at least one.
            schema: the columns of all rows.
            label: the column that gets the name of each row's unit. Defaults to none.

        Raises:
            SourceUnreadable: a unit cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} lists no units")


class Connector(ABC):
    """A place that rows can be read from.

    Attributes:
        gone: what a run does with published rows that are not there any more: see docs/how-to/late-and-gone-data.md.
        changed: what a run does with published rows that other rows have replaced there: take them, or refuse to run.
        settles: how old a unit must be to be read; None reads all.
        watch: how far back units are compared at each look; None compares all.
        rewrites_units: whether the same rows may lie in another unit tomorrow, so that a missing unit says nothing.
        holds_still: whether what is opened cannot change while it is read, as in a transaction.
        units_are: what people call its units.
        scans_at_once: how many units may be scanned together, each by itself.
    """

    kind: ClassVar[str]
    rewrites_units: ClassVar[bool] = False
    holds_still: ClassVar[bool] = False
    units_are: ClassVar[str] = "files"
    scans_at_once: ClassVar[int] = 64
    gone: Gone = "kept"
    changed: Changed = "taken"
    settles: str | None = None
    watch: str | None = None

    def __init_subclass__(cls) -> None:
        """Refuse a connector that has its own `scan`: runs go by `open`, and would read other rows."""
        super().__init_subclass__()
        for name in ("scan", "fingerprint"):
            if name in vars(cls):
                remedy = "Override `open`, by which all rows are read, or change rows in `prepare`."
                raise InvalidDeclaration(f"Connector {cls.__name__}", f"overrides `{name}`", remedy)

    @property
    @abstractmethod
    def location(self) -> str:
        """Return where the data is, for people; never holds a secret."""

    @property
    def reading(self) -> str:
        """Return how rows are read, when that changes them: part of the code version. Where they lie is not."""
        return ""

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        """Return the functions of the user that make rows: their code is part of the code version."""
        return ()

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        """Return the errors that mean, while rows are read, that the data cannot be; Polars panics at some damage."""
        return (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)

    @abstractmethod
    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        """Look at the data once; what is read inside the block is of the same moment.

        Args:
            owner: the source's name, for errors.

        Raises:
            SourceUnreadable: nothing there, or nothing that can be read.
        """

    def fetch(self, owner: str) -> None:  # noqa: B027  # most read where the data lies
        """Bring what is new to where `open` reads it: a run of the source asks for it first, and nothing else does.

        Raises:
            SourceUnreadable: it cannot be brought; what was there before is as it was.
        """

    def scan(self, owner: str) -> pl.LazyFrame:
        """Scan all rows lazily; see `open` and `OpenedData.scan`."""
        with self.open(owner) as data:
            return data.scan()

    def fingerprint(self, owner: str) -> str:
        """Return a short text that changes when the data does; see `open`."""
        with self.open(owner) as data:
            return data.fingerprint()

    @property
    def remedy(self) -> str:
        """Return what would help where rows cannot be read, as a sentence."""
        return "Mend the file, or read the column as text (`types`) and parse it in `prepare`."

    def hide_secrets(self, text: str) -> str:
        """Return a text of an engine, such as an error, without the secrets that the connector reads by."""
        return text

    def culprit(self, owner: str) -> str:
        """Return where the data is that cannot be read, after a run failed at it: one file where there are several."""
        return self.location


def validate_path(kind: str, path: object) -> str:
    """Return a path as text.

    Raises:
        InvalidDeclaration: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise InvalidDeclaration(f"Connector {kind}", f"reads from {path!r}", "Give a path as text or pathlib.Path.")
    return str(os.fspath(path))


def validate_gone(owner: str, gone: object) -> Gone:
    """Return what to do about rows that are gone.

    Raises:
        InvalidDeclaration: it is none of the words.
    """
    return _choose_word(owner, "gone", gone, _GONE)


def validate_changed(owner: str, changed: object) -> Changed:
    """Return what to do about published rows that others have replaced.

    Raises:
        InvalidDeclaration: it is none of the words.
    """
    return _choose_word(owner, "changed", changed, _CHANGED)


def validate_secrets(owner: str, secrets: object) -> dict[str, Secret]:
    """Return secrets by what they are for.

    Raises:
        InvalidDeclaration: one of them is no `fp.Secret`; it may be the secret itself, so it is not shown.
    """
    found = {} if secrets is None else secrets
    if isinstance(found, Mapping) and all(isinstance(value, Secret) for value in found.values()):
        return {str(name): value for name, value in found.items()}
    raise InvalidDeclaration(
        owner, "has a secret that is no fp.Secret", 'Write secrets={"token": fp.Secret("NAME_OF_A_VARIABLE")}.'
    )


def reason_of(error: BaseException) -> str:
    """Return the first line of an error, or its class where it has no text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".! ")


def _choose_word(owner: str, name: str, value: object, words: Sequence[_Word]) -> _Word:
    choice = next((word for word in words if word == value), None)
    if choice is None:
        raise InvalidDeclaration(owner, f"has {name}={value!r}", f"Say one of {', '.join(words)}.")
    return choice
