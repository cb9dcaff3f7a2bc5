"""The server as a process: it starts, refuses to start, survives its workers, and ends cleanly."""

import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from feature_platform.access import create_key
from feature_platform_tests.server.process import Process, serve, serving

NOW = "2024-01-06T13:00"
SHOP = {"service": "shop", "entities": [{"customer": "ann"}]}


@pytest.fixture(scope="module")
def one(published: Path) -> Iterator[Process]:
    with serving(published, "--now", NOW) as process:
        yield process


def raw(process: Process, sent: bytes, timeout: float = 20) -> bytes:
    """What comes back for some bytes, until the server closes or nothing more is said."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=timeout) as connection:
        connection.sendall(sent)
        found = b""
        while piece := connection.recv(65_536):
            found += piece
            if b"\r\n\r\n" in found and b"connection: close" not in found:
                break
        return found


def test_who_still_sends_reads_why_it_was_refused(one: Process) -> None:
    with socket.create_connection(("127.0.0.1", one.port), timeout=120) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 30_000)
        first = connection.recv(1)
        connection.sendall(b"y" * 1_000_000)  # into a connection that was closed this would be answered by a reset
        connection.sendall(b"y" * 1_000_000)
        rest = connection.makefile("rb").read()

    assert (first + rest).startswith(b"HTTP/1.1 431")


def test_it_says_what_it_serves_where_and_how_to_stop(one: Process) -> None:
    said = "".join(one.said)

    assert f"http://127.0.0.1:{one.port}" in said
    assert "shop" in said
    assert "/online" in said
    assert "Ctrl+C" in said
    assert "replaying the past" in said


def test_it_answers_at_the_moment_it_was_told_which_runs_on(one: Process) -> None:
    first, second = one.ask("/v1/features", SHOP)[1], one.ask("/v1/features", SHOP)[1]

    assert first["rows"][0]["values"] == [20.0, 2, 10.0]
    assert first["metadata"]["now"].startswith("2024-01-06T13:")
    assert first["metadata"]["now"] < second["metadata"]["now"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),  # the first bytes of TLS
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n", b"40"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000, b"431"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", b"431"),
        (b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", b"400"),
        (b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", b"400"),
        (
            b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
            b"400",
        ),
        (b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (
            b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"422",
        ),
        (b"GET /v1/services HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /health HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", b"200"),
    ],
)
def test_bytes_that_are_no_request_are_refused(one: Process, sent: bytes, status: bytes) -> None:
    assert raw(one, sent).split(b"\r\n")[0].split(b" ")[1].startswith(status)
    assert one.ask("/health")[0] == 200


def test_a_body_over_the_limit_is_refused_and_the_refusal_can_be_read(one: Process) -> None:
    connection = one.connection()
    connection.request("POST", "/v1/features", b" " * (5 * 2**20))

    assert connection.getresponse().status == 413
    connection.close()


def test_requests_sent_together_are_answered_in_order(one: Process) -> None:
    body = json.dumps(SHOP).encode()
    post = b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    last = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"

    with socket.create_connection(("127.0.0.1", one.port), timeout=120) as connection:
        connection.sendall(post * 3 + last)
        found = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert [each[:3] for each in found.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 3 + [b"404"]


def test_a_port_that_is_taken_is_one_line(one: Process, published: Path) -> None:
    popen = serve(published, "--port", str(one.port), stderr=-1)
    _, error = popen.communicate(timeout=300)

    assert popen.returncode == 1
    assert error.startswith(f"Error: The server cannot listen on 127.0.0.1:{one.port}: Address already in use.")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Nothing of project `declared` is in the online store"),
        (("--host", "0.0.0.0"), "without authentication"),
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    popen = serve(tmp_path, "--port", "0", *arguments, stderr=-1)
    _, error = popen.communicate(timeout=300)

    assert popen.returncode == 1
    assert said in error
    assert error.count("\n") == 1


def test_workers_are_replaced_when_killed_and_all_end_with_the_server(published: Path) -> None:
    with serving(published, "--now", NOW, "--workers", "2") as process:
        workers = children(process.popen.pid)
        assert len(workers) == 2
        assert process.ask("/v1/features", SHOP)[0] == 200
        waited = threading.Event()
        waited.wait(1.2)  # until what was counted is settled, which a killed worker does not lose
        os.kill(workers[0], signal.SIGKILL)
        for _ in range(1_200):
            now = children(process.popen.pid)
            if len(now) == 2 and workers[0] not in now:
                break
            waited.wait(0.1)
        assert len(children(process.popen.pid)) == 2
        assert process.ask("/v1/features", SHOP)[0] == 200
        waited.wait(1.2)
        metrics = process.ask("/metrics")[1].decode()
        count = [line for line in metrics.splitlines() if line.startswith("feature_platform_requests_total")]
        assert any('route="/v1/features",status="200"} 2.0' in line for line in count), count
        process.popen.terminate()
        assert process.popen.wait(120) == 0
    assert not [each for each in workers if Path(f"/proc/{each}").exists()]


def test_workers_that_are_long_to_import_are_waited_for_and_a_new_one_lets_nobody_in_without_a_file_of_keys(
    published: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(published, root)
    token = create_key(root / "access", "tester", ["admin"], datetime(2020, 1, 1, tzinfo=timezone.utc))[1]
    bearer = {"Authorization": f"Bearer {token}"}
    words = ("--now", NOW, "--workers", "2")
    with (
        (tmp_path / "log").open("w") as log,
        serving(root, *words, stderr=log, project="slow_to_import") as process,
    ):
        first = children(process.popen.pid)
        assert process.ask("/v1/features", SHOP, **bearer)[0] == 200, "it said that it is ready"
        (root / "access" / "keys.json").unlink()
        for worker in first:
            os.kill(worker, signal.SIGKILL)
        answers = {process.ask("/v1/features", SHOP)[0], process.ask("/v1/features", SHOP, **bearer)[0]}
        assert answers == {401, 503}
        status, ready = process.ask("/ready")
        assert status == 503
        assert "is gone" in ready["problems"][0]
        assert not set(first) & set(children(process.popen.pid))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    died = [line for line in lines if line["event"] == "a worker died"]
    assert sorted(line["process"] for line in died) == sorted(first), "none was killed while it imported"
    assert {line["signal"] for line in died} == {"SIGKILL"}
    assert len([line for line in lines if line["event"] == "worker replaced"]) == 2


def test_a_worker_that_cannot_start_ends_the_server_with_the_reason(published: Path) -> None:
    popen = serve(published, "--port", "0", "--workers", "2", stderr=-1, project="fails_to_import")
    said, error = popen.communicate(timeout=300)

    assert popen.returncode == 1
    assert "Serving" not in said
    assert "the file of holidays is missing" in error
    assert error.splitlines()[-1].startswith("Error: The server cannot start: a worker ended with 1")


def test_a_running_request_is_finished_before_the_end(published: Path) -> None:
    body = json.dumps(SHOP).encode()
    head = b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    with serving(published, "--now", NOW) as process:
        with socket.create_connection(("127.0.0.1", process.port), timeout=120) as connection:
            connection.sendall(head + body[:10])
            assert process.ask("/health")[0] == 200  # by then the server has the first half
            process.popen.terminate()
            connection.sendall(body[10:])
            found = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert found.startswith(b"HTTP/1.1 200")
        assert process.popen.wait(120) == 0


def children(parent: int) -> list[int]:
    """The workers of a server: what it spawned, without the helper of multiprocessing."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(each) for each in found if b"resource_tracker" not in Path(f"/proc/{each}/cmdline").read_bytes()]
