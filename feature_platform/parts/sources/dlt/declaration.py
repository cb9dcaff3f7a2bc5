"""The declaration of a pipeline of dlt, and of the Delta table that it fills."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration, PackageMissing, SourceUnreadable
from feature_platform.ground.secret import Secret, hide_secrets, values_that_look_secret
from feature_platform.parts.sources.base import (
    Connector,
    DataUnit,
    Gone,
    OpenedData,
    validate_gone,
    validate_path,
    validate_secrets,
)
from feature_platform.parts.sources.delta import Delta

_OWNER = "Connector Dlt"
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_TABLE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_FIELD = re.compile(r"[^.$\[\]\s]+")
_ELSEWHERE = "://"
_PACKAGES = {"dlt": "dlt[parquet]", "pyarrow": "dlt[parquet]"}


@dataclass(frozen=True, init=False)
class Dlt(Connector):
    """The rows that a pipeline of dlt brings, kept as a Delta table in a folder of this machine.

    A run of the source first runs the pipeline, in a process of its own, and merges what it brings by its key. Nothing
    else runs it: whoever only looks at the source sees what the last run brought.

    Args:
        pipeline: a function that returns a resource or a source of dlt, as `"module:name"` or as itself, which takes
            longer, since its module imports dlt. It has to be at the top of a module that can be imported.
        table: the name of the resource as dlt writes it: in small letters, with underscores.
        into: a folder that is the platform's own.
        cursor: the field that grows with each change of a row, as the API names it.
        overlap: how far before the newest cursor rows are asked for again, so that late ones are not lost.
        first: the cursor from which the first run asks, as the API writes it. Defaults to all that there is.
        key: the fields that no two rows share, as the API names them.
        secrets: the arguments of the function that are secrets.
        timeout: how long the pipeline may take.

    >>> Dlt("shop.zendesk:tickets", table="tickets", into="data/zendesk", cursor="updated_at", key="id").location
    'data/zendesk/tickets'
    """

    kind = "dlt"
    rewrites_units = True

    pipeline: str
    table: str
    into: str
    cursor: str
    key: tuple[str, ...]
    overlap: str
    first: str | int | None
    secrets: Mapping[str, Secret] = field(repr=False)
    timeout: str
    gone: Gone

    def __init__(
        self,
        pipeline: str | Callable[..., object],
        *,
        table: str,
        into: str | Path,
        cursor: str,
        key: str | Sequence[str],
        overlap: str = "1h",
        first: str | int | None = None,
        secrets: Mapping[str, Secret] | None = None,
        timeout: str = "1h",
        gone: Gone = "kept",
    ) -> None:
        for word, duration in {"overlap": overlap, "timeout": timeout}.items():
            clock.microseconds(duration, f"{_OWNER}, {word},")
        values = {
            "pipeline": _reference_of(pipeline),
            "table": _validate_table(table),
            "into": _validate_folder(into),
            "cursor": _validate_fields("cursor", cursor)[0],
            "key": _validate_fields("key", key),
            "overlap": overlap,
            "first": _validate_first(first),
            "secrets": validate_secrets(_OWNER, secrets),
            "timeout": timeout,
            "gone": validate_gone(_OWNER, gone),
        }
        for word, value in values.items():
            object.__setattr__(self, word, value)

    def __hash__(self) -> int:
        return hash((self.pipeline, self.location))

    @property
    def location(self) -> str:
        return str(Path(self.into) / self.table)

    @property
    def remedy(self) -> str:
        return "Remove the folder, so that the pipeline brings everything again."

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        return self._delta.failures

    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        if not (Path(self.location) / "_delta_log").is_dir():
            return nullcontext(_NothingYet(self, owner))
        return self._delta.open(owner)

    def fetch(self, owner: str) -> None:
        missing = next((package for module, package in _PACKAGES.items() if find_spec(module) is None), None)
        if missing is not None:
            raise PackageMissing(f"Source `{owner}`, a pipeline of dlt,", missing, "dlt")
        from feature_platform.parts.sources.dlt.fetching import run_pipeline

        run_pipeline(self, owner)

    def hide_secrets(self, text: str) -> str:
        """Return a text without the secrets of the pipeline, nor what the environment calls secrets."""
        revealed = [secret.reveal(self.location) for secret in self.secrets.values()]
        return hide_secrets(text, [*revealed, *values_that_look_secret()])

    @property
    def _delta(self) -> Delta:
        return Delta(self.location, gone=self.gone)


class _NothingYet(OpenedData):
    """What there is before the first run of a pipeline that brings rows."""

    def __init__(self, words: Dlt, owner: str) -> None:
        self._words, self._owner = words, owner

    def scan(self) -> pl.LazyFrame:
        found = "the pipeline has brought no rows yet"
        raise SourceUnreadable(self._owner, self._words.location, found, "Run the source, which runs the pipeline.")

    def fingerprint(self) -> str:
        return "nothing"

    def units(self) -> list[DataUnit]:
        return []


def _reference_of(pipeline: object) -> str:
    """Return where a function is, as `module:name`.

    Raises:
        InvalidDeclaration: another process could not import it from there.
    """
    remedy = 'Put it at the top of a module, and give it as text: "module:name".'
    if isinstance(pipeline, str):
        if not _REFERENCE.fullmatch(pipeline):
            raise InvalidDeclaration(_OWNER, f"has the pipeline {pipeline!r}", remedy)
        return pipeline
    module, name = getattr(pipeline, "__module__", None), getattr(pipeline, "__qualname__", None)
    found = getattr(sys.modules.get(str(module)), str(name), None)
    if not callable(pipeline) or found is not pipeline or module == "__main__":
        raise InvalidDeclaration(_OWNER, "has a pipeline that another process cannot import", remedy)
    return f"{module}:{name}"


def _validate_table(table: object) -> str:
    if isinstance(table, str) and _TABLE.fullmatch(table):
        return table
    raise InvalidDeclaration(
        _OWNER,
        f"has table={table!r}",
        'Write it as dlt does: small letters, digits and single underscores, "my_tickets".',
    )


def _validate_first(first: object) -> str | int | None:
    if first is None or isinstance(first, (str, int)):
        return first
    remedy = 'Write it as the API does: "2024-01-01T00:00:00Z", or a number.'
    raise InvalidDeclaration(_OWNER, f"has first={first!r}", remedy)


def _validate_folder(into: object) -> str:
    folder = validate_path("Dlt", into)
    if _ELSEWHERE in folder:
        raise InvalidDeclaration(_OWNER, f"has into={folder!r}", "Give a folder of this machine.")
    return folder


def _validate_fields(word: str, fields: object) -> tuple[str, ...]:
    given = (fields,) if isinstance(fields, str) else tuple(fields) if isinstance(fields, Sequence) else ()
    if given and all(isinstance(name, str) and _FIELD.fullmatch(name) for name in given):
        return given
    raise InvalidDeclaration(_OWNER, f"has {word}={fields!r}", "Give the name of a field that is not inside another.")
