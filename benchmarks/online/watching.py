"""A client that looks at every answer: whole, of one generation, and never of an older one on the same connection.

Each connection asks for many keys again and again until its input is closed. Each row tells the generation that it is
of, and an echo that only this generation and this key have: half a row, or one row in place of another, shows.
"""

import http.client
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from benchmarks.online.data import ECHO
from benchmarks.shapes import KEY

PATH = "/v1/features"
ENTITIES = 50
TIMEOUT_S = 10


class Row(msgspec.Struct):
    """What is read of a row."""

    values: tuple[int | None, int | None]


class Answer(msgspec.Struct):
    """What is read of an answer."""

    rows: list[Row]


_decode = msgspec.json.Decoder(Answer).decode


def watch(url: str, keys: int, connections: int) -> dict[str, float]:
    """What was seen until standard input was closed: answers, errors, broken connections, and what must not be."""
    seen: list[Counter[str]] = [Counter() for _ in range(connections)]
    newest = [0] * connections
    stop = threading.Event()
    threads = [
        threading.Thread(target=_ask_on, args=(url, keys, number, seen[number], newest, stop))
        for number in range(connections)
    ]
    for each in threads:
        each.start()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for each in threads:
        each.join()
    names = ("answers", "errors", "broken", "mixed", "torn", "backwards")
    return {**{name: sum(each[name] for each in seen) for name in names}, "newest": max(newest), "oldest": min(newest)}


def judged(rows: Sequence[tuple[int | None, int | None]], asked: Sequence[int], last: int) -> tuple[int, list[str]]:
    """The generation of an answer, and what is wrong with it.

    Args:
        last: the generation of the answer before, on the same connection.
    """
    found = {generation for generation, _ in rows}
    wrong = ["mixed"] if len(found) > 1 else []
    whole = len(rows) == len(asked) and all(
        generation is not None and echo == generation * ECHO + key
        for (generation, echo), key in zip(rows, asked, strict=False)
    )
    if not whole:
        return last, [*wrong, "torn"]
    newest = max(generation for generation in found if generation is not None)
    return newest, [*wrong, "backwards"] if newest < last else wrong


def _ask_on(url: str, keys: int, number: int, seen: "Counter[str]", newest: list[int], stop: threading.Event) -> None:
    parts, rng = urlsplit(url), random.Random(number)
    while not stop.is_set():
        connection, last = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT_S), 0
        try:
            while not stop.is_set():
                last = _ask(connection, rng.choices(range(keys), k=ENTITIES), last, seen)
                newest[number] = last
        except (OSError, http.client.HTTPException):
            seen["broken"] += 1
            stop.wait(0.02)
        finally:
            connection.close()


def _ask(connection: http.client.HTTPConnection, asked: list[int], last: int, seen: "Counter[str]") -> int:
    body = json.dumps({"service": "generations", "entities": [{KEY: key} for key in asked]})
    connection.request("POST", PATH, body)
    answer = connection.getresponse()
    text = answer.read()
    seen["answers"] += 1
    if answer.status != 200:
        seen["errors"] += 1
        return last
    newest, wrong = judged([row.values for row in _decode(text).rows], asked, last)
    seen.update(wrong)
    return newest
