"""A server without keys answers programs of its machine, not the web pages that a browser runs there."""

from pathlib import Path

import pytest

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.server.hosts import Hosts
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask
from feature_platform_tests.server.test_auth import bearer, token_for

SHOP = {"service": "shop", "entities": [{"customer": "ann"}]}
FEAST_SHOP = {"feature_service": "shop", "entities": {"customer": ["ann"]}}
OWN = b"localhost:6566"


def headers(**sent: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.replace("_", "-").encode(), value) for name, value in sent.items())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"localhost:6566", 200),
        (b"LOCALHOST", 200),
        (b"127.0.0.1:6566", 200),
        (b"127.9.9.9", 200),
        (b"[::1]:6566", 200),
        (b"shop.localhost:80", 200),
        (b"localhost.:6566", 200),
        (b"features.internal", 200),
        (b"evil.example:6566", 421),
        (b"localhost.evil.example", 421),
        (b"127.0.0.1.evil.example:6566", 421),
        (b"evil.example:localhost", 421),
        (b"10.0.0.1:6566", 421),
        (b"[::2]", 421),
        (b"", 421),
        (b"\xff", 421),
    ],
)
def test_a_server_without_keys_refuses_to_be_another_host(start: Start, host: bytes, status: int) -> None:
    server = start(allowed_hosts=("features.internal",))
    sent = headers(host=host)

    assert ask(server, "/v1/services", headers=sent).status == status
    assert ask(server, "/v1/features", SHOP, headers=sent).status == status
    feast = ask(server, "/get-online-features", FEAST_SHOP, headers=sent)
    assert feast.status == status
    if status == 421:
        assert feast.headers[b"connection"] == b"close"
        assert "allowed_hosts" in feast.feast_error["message"]
        quick = server.answer_at_once("/v1/features", sent, b'{"service":"shop","entities":[]}')
        assert quick is not None
        assert quick.status == 421


def test_where_it_listens_is_a_name_of_the_server(start: Start) -> None:
    server = start(host="this-machine")

    assert ask(server, "/v1/services", headers=headers(host=b"This-Machine:6566")).status == 200
    assert ask(server, "/v1/services", headers=headers(host=b"features.internal")).status == 421
    assert ask(server, "/v1/services").status == 200, "HTTP/1.0 needs no host, and browsers do not speak it"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 200),
        ({"sec_fetch_site": b"same-origin", "origin": b"http://localhost:6566"}, 200),
        ({"sec_fetch_site": b"none"}, 200),
        ({"origin": b"http://localhost:6566"}, 200),
        ({"sec_fetch_site": b"cross-site", "origin": b"https://features.internal"}, 200),
        ({"origin": b"https://features.internal:8443"}, 200),
        ({"sec_fetch_site": b"cross-site", "origin": b"https://evil.example"}, 403),
        ({"sec_fetch_site": b"cross-site"}, 403),
        ({"sec_fetch_site": b"same-site", "origin": b"http://localhost:3000"}, 403),
        ({"origin": b"https://evil.example"}, 403),
        ({"origin": b"http://localhost:3000"}, 403),
        ({"origin": b"https://features.internal.evil.example"}, 403),
        ({"origin": b"null"}, 403),
        ({"origin": b""}, 403),
    ],
)
@pytest.mark.parametrize(("path", "body"), [("/v1/features", SHOP), ("/get-online-features", FEAST_SHOP)])
def test_pages_of_other_sites_cannot_post_to_a_server_without_keys(
    start: Start, path: str, body: object, sent: dict[str, bytes], status: int
) -> None:
    server = start(allowed_hosts=("features.internal",))

    told = ask(server, path, body, headers=headers(host=OWN, **sent))

    assert told.status == status
    assert ask(server, "/v1/services", headers=headers(host=OWN, **sent)).status == 200, "no page can read the answer"


def test_who_proves_who_they_are_may_ask_under_any_name_that_is_not_ruled_out(start: Start, tmp_path: Path) -> None:
    token = token_for(tmp_path / "access", "read:*")
    sent = (*bearer(token), *headers(host=b"features.example", origin=b"https://evil.example"))

    assert ask(start(), "/v1/features", SHOP, headers=sent).status == 200
    assert ask(start(allowed_hosts=("features.internal",)), "/v1/features", SHOP, headers=sent).status == 421


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "*", "*.example", "", "a b", "a/b", "[::1"])
def test_what_is_no_name_of_a_host_is_refused(name: str) -> None:
    with pytest.raises(InvalidDeclaration, match="allowed_hosts"):
        Hosts([name], "127.0.0.1")
