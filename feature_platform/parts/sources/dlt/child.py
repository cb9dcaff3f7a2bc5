"""The process that runs a pipeline of dlt, and merges what it brings; the only module that imports dlt.

Beside the table `into/table` lies `into/_dlt/table`: by its number, the state that the pipeline goes on from. A run
works on a copy. Its state counts once the commit that has its number is there, so a process that is killed at any
moment leaves rows and state as they were, or both as they are to be.
"""

import fcntl
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import dlt
import polars as pl
from dlt.extract import DltResource, DltSource

from feature_platform.parts.sources.dlt.fetching import ERROR, Order
from feature_platform.parts.sources.dlt.merging import CannotMerge, last_merge, merge_rows

if TYPE_CHECKING:
    from dlt import Pipeline

_PIPELINE = "feature_platform"
_DATASET = "rows"
_STATE = ("state.json", "schemas")
_OWN = ("_dlt_id", "_dlt_load_id")  # what dlt adds to rows
_LONGEST = 500
_FROZEN = "are frozen"
_BEFORE, _AFTER = "with message: ", " Offending data item"  # what is said, without rows


def main() -> None:
    """Read an order, and carry it out."""
    sys.excepthook = _tell_error
    order = Order(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder = Path(order.into) / "_dlt" / order.table
    with _alone_in(folder):
        try:
            _fetch(order, folder)
        finally:
            _remove_others(folder, str(last_merge(_table_of(order))))


def _fetch(order: Order, folder: Path) -> None:
    uri, work = _table_of(order), folder / "work"
    before = last_merge(uri)
    _remove_others(folder, str(before))
    state = work / "state" / _PIPELINE
    if (folder / str(before)).is_dir():
        shutil.copytree(folder / str(before), state)
    pipeline = _run(order, work)
    named = pipeline.default_schema.naming.normalize_identifier
    files = sorted((work / "rows" / _DATASET / order.table).glob("*.parquet"))
    if files:
        _keep_state(state, folder / str(before + 1))
        rows = pl.concat([pl.read_parquet(file) for file in files], how="diagonal").drop(_OWN, strict=False)
        merge_rows(uri, rows, [named(name) for name in order.key], named(order.cursor), before + 1)


def _table_of(order: Order) -> str:
    return f"{order.into}/{order.table}"


def _run(order: Order, work: Path) -> "Pipeline":
    """Run the pipeline; the rows that it brings become files of Parquet."""
    module, _, name = order.pipeline.partition(":")
    function = import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    source = _source_of(function(**{word: os.environ[each] for word, each in order.secrets.items()}), order)  # type: ignore[operator]
    place = dlt.destinations.filesystem((work / "rows").as_uri())
    state = str(work / "state")
    pipeline = dlt.pipeline(_PIPELINE, pipelines_dir=state, destination=place, dataset_name=_DATASET)
    pipeline.run(source, loader_file_format="parquet", schema_contract={"data_type": "freeze"})
    return pipeline


def _source_of(data: object, order: Order) -> DltResource | DltSource:
    """Return the resource of a table, with key, cursor and overlap, and nothing of a row in tables of their own."""
    if isinstance(data, DltResource):
        _prepare(data, order)
        return data
    if not isinstance(data, DltSource):
        found = f"it returned a {type(data).__name__}, which is no resource or source of dlt"
        raise CannotMerge(found, "Return what `@dlt.resource` or `@dlt.source` makes.")
    names = list(data.resources)
    fitting = [name for name in names if data.schema.naming.normalize_identifier(name) == order.table]
    if not fitting:
        found = f"it has no resource `{order.table}`"
        raise CannotMerge(found, f"Give the name of one as `table`; it has: {', '.join(names)}.")
    chosen = data.with_resources(fitting[0])
    _prepare(chosen.resources[fitting[0]], order)
    return chosen


def _prepare(resource: DltResource, order: Order) -> None:
    incremental: dlt.sources.incremental[object] = dlt.sources.incremental(
        order.cursor, initial_value=order.first, lag=order.overlap, primary_key=()
    )
    resource.apply_hints(
        table_name=order.table, write_disposition="append", primary_key=order.key, incremental=incremental
    )
    resource.max_table_nesting = 0


def _keep_state(state: Path, kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for name in _STATE:
        (shutil.copytree if (state / name).is_dir() else shutil.copy)(state / name, kept / name)


def _remove_others(folder: Path, kept: str) -> None:
    """Remove the work of this process, and every state but the one that counts."""
    for each in folder.iterdir():
        if each.is_dir() and each.name != kept:
            shutil.rmtree(each)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process works in a folder; the system frees it when this one ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_with_parent() -> None:
    """End this process when whoever started it has ended."""
    os.read(sys.stdin.fileno(), 1)  # by number: a reader that is locked when Python ends would make it abort
    os._exit(1)


def _tell_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line of JSON why the process fails, and what would do."""
    sys.__excepthook__(kind, error, trace)
    while error.__cause__ is not None:
        error = error.__cause__
    found = " ".join(str(error).split()).rpartition(_BEFORE)[2].partition(_AFTER)[0][:_LONGEST]
    remedy = error.remedy if isinstance(error, CannotMerge) else None
    if _FROZEN in found:
        remedy = "Give the column its type in the pipeline: @dlt.resource(columns={...})."
    if not isinstance(error, CannotMerge):
        found = f"{type(error).__name__}: {found}"
    print(f"{ERROR}{json.dumps({'found': found, 'remedy': remedy})}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
