"""Running a pipeline of dlt in a process of its own, which ends when it takes too long or when this one ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from feature_platform.ground import clock
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.ground.secret import SHORTEST_SECRET, hide_secrets

if TYPE_CHECKING:
    from feature_platform.parts.sources.dlt.declaration import Dlt

CHILD = "feature_platform.parts.sources.dlt.child"
ERROR = "feature_platform: "  # begins the line that says why the process failed
REMEDY = "What it brought before stays as it is. Mend the pipeline, then run the source again."
_ENVIRONMENT = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "RESTORE_FROM_DESTINATION": "false",  # its state lies beside the table
}


@dataclass(frozen=True)
class Order:
    """What the process has to do.

    Attributes:
        overlap: in seconds.
        secrets: the names of environment variables, by argument of the pipeline's function.
    """

    pipeline: str
    table: str
    into: str
    cursor: str
    key: list[str]
    overlap: float
    first: str | int | None
    secrets: dict[str, str]


def run_pipeline(words: "Dlt", owner: str) -> None:
    """Run a pipeline and merge what it brings; when it fails, its table is as it was before.

    Raises:
        SourceUnreadable: the pipeline fails, or takes too long.
        SecretMissing: the variable of a secret is not set.
    """
    for secret in words.secrets.values():
        secret.reveal(f"Source `{owner}`")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = _start(_order_of(words, owner), said)
        try:
            status = process.wait(clock.microseconds(words.timeout, owner) / 1_000_000)
        except subprocess.TimeoutExpired:
            found = f"the pipeline {words.pipeline} did not end within {words.timeout}"
            raise SourceUnreadable(owner, words.location, found, REMEDY) from None
        finally:
            _end(process)
        if status != 0:
            said.seek(0)
            reason, remedy = _reason_of(said.read().splitlines(), status)
            found = hide_secrets(
                words.hide_secrets(f"the pipeline {words.pipeline} failed: {reason}"), _secrets_of_dlt()
            )
            raise SourceUnreadable(owner, words.location, found.rstrip(".! "), remedy or REMEDY)


def _order_of(words: "Dlt", owner: str) -> Order:
    seconds = clock.microseconds(words.overlap, owner) / 1_000_000
    names = {argument: secret.name for argument, secret in words.secrets.items()}
    into = str(Path(words.into).absolute())
    return Order(words.pipeline, words.table, into, words.cursor, list(words.key), seconds, words.first, names)


def _start(order: Order, said: IO[str]) -> "subprocess.Popen[str]":
    """Start the process with its order; it ends when what it reads does, as when this process is killed."""
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", CHILD],
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=said,
        text=True,
        env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
        start_new_session=True,
    )
    if process.stdin is not None:
        process.stdin.write(f"{json.dumps(asdict(order))}\n")
        process.stdin.flush()
    return process


def _end(process: "subprocess.Popen[str]") -> None:
    """End a process with those that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _secrets_of_dlt() -> list[str]:
    """Return the texts in the files of dlt that hold secrets."""
    folders = (Path.cwd(), Path.home())
    files = [folder / ".dlt" / "secrets.toml" for folder in folders]
    found: list[str] = []
    for file in files:
        with suppress(OSError, tomllib.TOMLDecodeError):
            found.extend(_texts_in(tomllib.loads(file.read_text())))
    return found


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts_in(each)
    elif isinstance(value, str) and len(value) >= SHORTEST_SECRET:
        yield value


def _reason_of(lines: list[str], status: int) -> tuple[str, str | None]:
    """Return why a process failed, and what would do if it knows."""
    told = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    if told:
        error = json.loads(told[-1])
        return error["found"], error["remedy"]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return f"its process ended with {status}, and said last: {last}", None
