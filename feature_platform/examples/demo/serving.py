"""The last part of a demonstration: the real server answers about real keys, and is compared with offline."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from feature_platform.compute.serving.comparison import compare_values, difference_count
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureSelection, FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.examples.demo.server import ANSWER_SECONDS, DemoServer, run_server
from feature_platform.ground.clock import UTC, rfc3339
from feature_platform.offline import OfflineStore
from feature_platform.training.historical import historical_features

_REQUESTS = 200
_MARKS = {"NULL_VALUE": "o", "NOT_FOUND": "?", "OUTSIDE_MAX_AGE": "!"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class DemoQuestion:
    """What a demonstration asks a server: a service, some keys with titles, and the features that are shown.

    Attributes:
        project: the module of declarations that is served; that of the checkout when None.
    """

    service: FeatureService
    asked: pl.DataFrame
    titles: Sequence[str]
    shown: Sequence[str]
    project: str | None = None


def show_serving(console: Console, question: DemoQuestion, now: datetime, store: OfflineStore, log: Path) -> bool:
    """Start the server at a moment, ask it, show its answers; return whether all was well."""
    service, asked = question.service, question.asked
    command = [sys.executable, "-m", "feature_platform.cli", "serve", "--port", "0", "--now", rfc3339(now), "--frozen"]
    command += ["--project", question.project] if question.project else []
    try:
        with console.status("Starting the feature server ..."), run_server(command, log) as server:
            connection = HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
            native, feast = _ask_both(server, connection, service, asked)
            latencies = _time_requests(server, connection, service, asked)
            connection.close()
    except (OSError, ValueError) as error:
        console.print(f"[red]The server did not answer:[/red] {error}. The end of {log}:", highlight=False)
        console.print("\n".join(log.read_text().splitlines()[-12:]), markup=False, highlight=False)
        return False
    console.print(_table(question, native, now))
    return _compare_answers(console, service, asked, native, feast, latencies, store, now)


# ---------------------------------------------------------------- questions and answers


def _ask_both(
    server: DemoServer, connection: HTTPConnection, service: FeatureService, asked: pl.DataFrame
) -> tuple[dict[str, object], dict[str, object]]:
    """Send the same question to the native endpoint and to that of Feast's clients."""
    rows = [{name: _json(value) for name, value in row.items()} for row in asked.iter_rows(named=True)]
    columns = {name: [row[name] for row in rows] for name in asked.columns}
    native = server.ask(connection, "/v1/features", {"service": service.name, "entities": rows})
    feast = server.ask(connection, "/get-online-features", {"feature_service": service.name, "entities": columns})
    return native, feast


def _time_requests(
    server: DemoServer, connection: HTTPConnection, service: FeatureService, asked: pl.DataFrame
) -> Mapping[str, Sequence[float]]:
    """Time some requests for one key, one after the other, in milliseconds, by what they ask for."""
    who = [{name: _json(value) for name, value in asked.row(0, named=True).items()}]
    stored = [f"{view.name}:{name}" for view, name in _stored_features(service)]
    bodies = {
        f"{len(stored)} stored features": {"features": stored, "entities": who},
        "the whole service, windows computed": {"service": service.name, "entities": who},
    }
    return {what: [_time_request(server, connection, body) for _ in range(_REQUESTS)] for what, body in bodies.items()}


def _stored_features(service: FeatureService) -> list[tuple[FeatureView, str]]:
    """Return the selected features that need no computing, and that a request can name: aliases belong to services."""
    selections = [each for each in service.selections if isinstance(each, FeatureSelection)]
    named = [each for each in selections if each.view.kind is not ViewKind.EXACT and each.view.aliased is None]
    return [(each.view, name) for each in named for name in each.features]


def _time_request(server: DemoServer, connection: HTTPConnection, body: object) -> float:
    began = time.perf_counter()
    server.ask(connection, "/v1/features", body)
    return (time.perf_counter() - began) * 1_000


def _json(value: object) -> object:
    return rfc3339(value) if isinstance(value, datetime) else value


# ---------------------------------------------------------------- output


def _table(question: DemoQuestion, native: Mapping[str, object], now: datetime) -> Table:
    """Make a table with a column for each key: each value, its age, and a mark where there was none."""
    service = question.service
    table = Table(
        title=f"{service.name} over HTTP as of {now:%Y-%m-%d %H:%M}: some values, and how old they are",
        caption="  ".join(f"{mark} {status}" for status, mark in _MARKS.items()) + ", filled in",
        box=SIMPLE_HEAD,
        padding=0,
    )
    metadata, rows = native["metadata"], native["rows"]
    if not isinstance(metadata, dict) or not isinstance(rows, list):
        raise TypeError("the answer has another form")
    table.add_column("feature", no_wrap=True)
    for title in question.titles:
        table.add_column(title, justify="right")
    for name in question.shown:
        place, view = metadata["features"].index(name), _age_place(service, name, metadata["views"])
        table.add_row(name, *(_cell(row, place, view) for row in rows))
    return table


def _age_place(service: FeatureService, feature: str, views: Sequence[str]) -> int | None:
    """Return the place of a feature's age in an answer; on-demand features have none."""
    owners = {
        name: each.view.name
        for each in service.selections
        if isinstance(each, FeatureSelection)
        for name in each.features
    }
    return views.index(owners[feature]) if feature in owners else None


def _cell(row: Mapping[str, Sequence[object]], place: int, view: int | None) -> str:
    value, mark = row["values"][place], _MARKS.get(str(row["statuses"][place]), "")
    age = None if view is None else row["ages"][view]
    shown = "-" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)
    old = "" if age is None else f" [dim]{_age(float(str(age))):>6}[/]"
    return f"{shown}[yellow]{mark}[/]{old}" if mark else f"{shown}{old}"


def _age(seconds: float) -> str:
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / size:.0f} {unit}"


def _compare_answers(
    console: Console,
    service: FeatureService,
    asked: pl.DataFrame,
    native: Mapping[str, object],
    feast: Mapping[str, object],
    latencies: Mapping[str, Sequence[float]],
    store: OfflineStore,
    now: datetime,
) -> bool:
    """Tell whether both endpoints and the offline store agree; print that in one line, with the latencies."""
    raw = FeatureService(service.name, service.selections, full_names=service.full_names)
    spine = asked.with_columns(pl.lit(now, UTC).alias(SPINE_TIME))
    offline = historical_features(raw, spine, store).collect().drop(spine.columns)
    served = _columns(native, before_filling=True)
    online = pl.DataFrame([pl.Series(name, served[name], dtype) for name, dtype in offline.schema.items()])
    differing = difference_count(compare_values(asked, offline, online))
    same = _columns(native, before_filling=False) == _feast_columns(feast, list(served))
    count = offline.width * offline.height
    agree = "[green]the same as offline[/]" if not differing else f"[red]{differing} differ from offline[/]"
    feast_agrees = "[green]the same[/]" if same else "[red]other values[/]"
    console.print(f"  {count} values over HTTP, {agree}; Feast's endpoint says {feast_agrees}.")
    for what, times in latencies.items():
        cuts = quantiles(times, n=100)
        console.print(
            f"  {len(times)} requests, {what}: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms.", highlight=False
        )
    return not differing and same


def _columns(native: Mapping[str, object], *, before_filling: bool) -> dict[str, list[object]]:
    """Return the values of each feature; before gaps were filled only those that are present."""
    metadata, rows = native["metadata"], native["rows"]
    if not isinstance(metadata, dict) or not isinstance(rows, list):
        raise TypeError("the answer has another form")
    return {
        name: [
            row["values"][place] if not before_filling or row["statuses"][place] == "PRESENT" else None for row in rows
        ]
        for place, name in enumerate(metadata["features"])
    }


def _feast_columns(feast: Mapping[str, object], names: Sequence[str]) -> dict[str, list[object]]:
    metadata, results = feast["metadata"], feast["results"]
    if not isinstance(metadata, dict) or not isinstance(results, list):
        raise TypeError("the answer has another form")
    columns = {name: each["values"] for name, each in zip(metadata["feature_names"], results, strict=True)}
    return {name: columns[name] for name in names}
