"""Requests as they come over the wire: many at once, in pieces, and with the offer of another protocol."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from feature_platform.server.limits import Limits
from feature_platform.server.now import Clock
from feature_platform.server.settings import ServerSettings
from feature_platform_tests.server import declared
from feature_platform_tests.server.listening import listening


@pytest.fixture(scope="module")
def port(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    access = tmp_path_factory.mktemp("access")
    settings = ServerSettings(declared.__name__, str(published / "online"), access, clock=Clock(stands=declared.NOW))
    with listening(settings) as found:
        yield found


def told_all(port: int, pieces: Sequence[bytes], ended: Callable[[bytes], bool]) -> bytes:
    """What comes back for pieces that are read one by one, until it is all there or the server closes."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            threading.Event().wait(0.05)  # so that it is a read of its own
        while not ended(found) and (part := connection.recv(65_536)):
            found += part
    return found


def statuses(found: bytes) -> list[bytes]:
    return [each[:3] for each in found.split(b"HTTP/1.1 ")[1:]]


GET = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 30 + b"\r\n\r\n"
SHOP = b'{"service":"shop","entities":[{"customer":"ann"}]}'
POST = b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(SHOP), SHOP)


@pytest.mark.parametrize(
    "sent",
    [
        [GET * 300 + GET[:-2], b"\r\n"],
        [POST * 300 + POST[:20], POST[20:]],
        [(POST + GET) * 300 + GET[:-1], b"\n"],
        [POST * 200 + POST[:20], *(bytes([each]) for each in POST[20:40]), POST[40:] + GET * 100],
    ],
    ids=["without bodies", "with bodies", "mixed", "with a head that drips in"],
)
def test_many_small_requests_in_one_read_are_all_answered(port: int, sent: list[bytes]) -> None:
    whole = b"".join(sent)
    count = whole.count(b"HTTP/1.1")
    assert len(sent[0]) > Limits().head

    found = told_all(port, sent, lambda seen: seen.count(b"HTTP/1.1 ") >= count and seen.endswith((b"}", b"\r\n\r\n")))

    assert statuses(found) == [b"200"] * count


@pytest.mark.parametrize(("size", "status"), [(15_000, b"200"), (17_000, b"431"), (200_000, b"431")])
@pytest.mark.parametrize("first", [b"", GET * 200], ids=["alone", "after others"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_the_limit_is_of_one_head_however_it_comes(
    port: int, size: int, status: bytes, first: bytes, pieces: int
) -> None:
    head = first + b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * size + b"\r\n\r\n"
    parts = [head[len(head) * n // pieces : len(head) * (n + 1) // pieces] for n in range(pieces)]
    count = first.count(b"HTTP/1.1") + 1

    found = told_all(port, parts, lambda seen: seen.count(b"HTTP/1.1 ") >= count and seen.endswith(b"\r\n\r\n"))

    assert statuses(found) == [b"200"] * (count - 1) + [status]


OFFER = (
    b"POST /v1/features HTTP/1.1\r\nconnection: Upgrade, HTTP2-Settings\r\nhost: localhost\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nupgrade: h2c\r\ncontent-type: application/json\r\n"
)
WHOLE = OFFER + b"content-length: %d\r\n\r\n" % len(SHOP)
CHUNKED = OFFER + b"transfer-encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SHOP), SHOP)


@pytest.mark.parametrize(
    "sent",
    [
        [WHOLE + SHOP],
        [WHOLE, SHOP],
        [WHOLE[:60], WHOLE[60:], SHOP[:10], SHOP[10:]],
        [CHUNKED + CHUNK],
        [CHUNKED, CHUNK],
        [(WHOLE + SHOP) * 3],
        [WHOLE + SHOP, GET.replace(b"x:", b"upgrade: websocket\r\nconnection: keep-alive, upgrade\r\nx:"), POST],
    ],
    ids=["at once", "head and body", "in pieces", "chunked", "chunked apart", "three together", "and others after it"],
)
def test_who_offers_http_2_is_answered_over_http_1_with_the_body(port: int, sent: list[bytes]) -> None:
    whole = b"".join(sent)
    count = whole.count(b" HTTP/1.1")

    found = told_all(port, sent, lambda seen: seen.count(b"HTTP/1.1 ") >= count and seen.endswith((b"}", b"\r\n\r\n")))

    assert statuses(found) == [b"200"] * count
    assert found.count(b'"rows":[{"values":[') == whole.count(SHOP)


def test_the_server_is_no_proxy(port: int) -> None:
    found = told_all(port, [b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n"], lambda _: False)

    assert statuses(found) == [b"400"]
