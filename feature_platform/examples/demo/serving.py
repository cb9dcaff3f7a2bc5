"""The last part of the demonstration: the real server answers for real flights, and is compared with offline."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from feature_platform.access import create_key, list_keys, revoke_key
from feature_platform.compute.serving.comparison import compare_values, difference_count
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureSelection, FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.examples.flights.project import delay_features
from feature_platform.ground.clock import UTC, rfc3339, shift_moment
from feature_platform.offline import OfflineStore
from feature_platform.settings import loaded_settings
from feature_platform.training.historical import historical_features

_URL = re.compile(r"http://127\.0\.0\.1:(\d+)")
_START_SECONDS, _ANSWER_SECONDS = 180, 60  # a machine may be busy
_REQUESTS = 200
_MINUTE = 60_000_000
_SHOWN = (
    "dep_delay_mean_7d",
    "arr_delay_mean_30d",
    "last_arr_delay",
    "turnaround_minutes",
    "dep_delay_mean_1h",
    "temp",
)
_MARKS = {"NULL_VALUE": "o", "NOT_FOUND": "?", "OUTSIDE_MAX_AGE": "!"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class _Server:
    """A server that runs, and the requests that it is sent."""

    port: int
    token: str | None

    def ask(self, connection: HTTPConnection, path: str, body: object) -> dict[str, object]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{path} answered {answer.status}: {text[:200].decode(errors='replace')}")
        reply: dict[str, object] = json.loads(text)
        return reply


def show_serving(console: Console, project: Project, store: OfflineStore, log: Path) -> bool:
    """Start the server at the moment where the project ends, ask it, show its answers; return whether all was well."""
    service, now = delay_features, project.partitions.end or datetime.now(timezone.utc)
    asked = _next_flights(store, now)
    command = [sys.executable, "-m", "feature_platform.cli", "serve", "--port", "0", "--now", rfc3339(now), "--frozen"]
    try:
        with console.status("Starting the feature server ..."), _run_server(command, log) as server:
            connection = HTTPConnection("127.0.0.1", server.port, timeout=_ANSWER_SECONDS)
            native, feast = _ask_both(server, connection, service, asked)
            latencies = _time_requests(server, connection, service, asked)
            connection.close()
    except (OSError, ValueError) as error:
        console.print(f"[red]The server did not answer:[/red] {error}. The end of {log}:", highlight=False)
        console.print("\n".join(log.read_text().splitlines()[-12:]), markup=False, highlight=False)
        return False
    console.print(_table(service, asked, native, now))
    return _compare_answers(console, service, asked, native, feast, latencies, store, now)


# ---------------------------------------------------------------- the server


@contextmanager
def _run_server(command: Sequence[str], log: Path) -> Iterator[_Server]:
    """Run the server in a process of its own, on a free port, until the block is left."""
    with _make_token() as token, log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield _Server(_wait_for_port(process, log), token)
        finally:
            process.terminate()
            try:
                process.wait(_ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _make_token() -> Iterator[str | None]:
    """Make a key for some minutes where the server needs one."""
    settings = loaded_settings()
    if not list_keys(settings.access_folder) and settings.jwt_arguments() is None:
        yield None
        return
    now = datetime.now(timezone.utc)
    key, token = create_key(settings.access_folder, "make demo", ["read:*"], now, shift_moment(now, 10 * _MINUTE))
    try:
        yield token
    finally:
        revoke_key(settings.access_folder, key.id, datetime.now(timezone.utc))


def _wait_for_port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """Wait until the server has printed its address and is ready to answer; return its port."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        address = _URL.search(log.read_text())
        if address and _is_ready(int(address[1])):
            return int(address[1])
        time.sleep(0.05)
    raise TimeoutError("it ended" if process.poll() is not None else f"it was not ready after {_START_SECONDS} s")


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


# ---------------------------------------------------------------- questions and answers


def _next_flights(store: OfflineStore, now: datetime) -> pl.DataFrame:
    """Make up the next departures after a moment, one for each airline, of aircraft that have just landed."""
    landed = store.pieces("sources/flights", "arrived_at")[-1].rows.filter(pl.col("arrived_at") <= now)
    newest = landed.sort("arrived_at", descending=True).unique("carrier", keep="first", maintain_order=True).head(4)
    at = [shift_moment(now, minutes * _MINUTE) for minutes in (45, 60, 75, 90)]
    flights = newest.select("carrier", "origin", "dest", "tailnum").collect()
    return flights.with_columns(pl.Series("scheduled_departure", at[: flights.height], UTC))


def _ask_both(
    server: _Server, connection: HTTPConnection, service: FeatureService, asked: pl.DataFrame
) -> tuple[dict[str, object], dict[str, object]]:
    """Send the same question to the native endpoint and to that of Feast's clients."""
    rows = [{name: _json(value) for name, value in row.items()} for row in asked.iter_rows(named=True)]
    columns = {name: [row[name] for row in rows] for name in asked.columns}
    native = server.ask(connection, "/v1/features", {"service": service.name, "entities": rows})
    feast = server.ask(connection, "/get-online-features", {"feature_service": service.name, "entities": columns})
    return native, feast


def _time_requests(
    server: _Server, connection: HTTPConnection, service: FeatureService, asked: pl.DataFrame
) -> Mapping[str, Sequence[float]]:
    """Time some requests for one flight, one after the other, in milliseconds, by what they ask for."""
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


def _time_request(server: _Server, connection: HTTPConnection, body: object) -> float:
    began = time.perf_counter()
    server.ask(connection, "/v1/features", body)
    return (time.perf_counter() - began) * 1_000


def _json(value: object) -> object:
    return rfc3339(value) if isinstance(value, datetime) else value


# ---------------------------------------------------------------- output


def _table(service: FeatureService, asked: pl.DataFrame, native: Mapping[str, object], now: datetime) -> Table:
    """Make a table with a column for each flight: each value, its age, and a mark where there was none."""
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
    for who in asked.iter_rows(named=True):
        table.add_column(f"{who['carrier']} {who['origin']}-{who['dest']}\n{who['tailnum']}", justify="right")
    for name in _SHOWN:
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
