"""Who may ask for what, once there are keys."""

import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest

from feature_platform.access import create_key, revoke_key
from feature_platform.server.app import FeatureServer
from feature_platform.server.run import Worker, _config_factory
from feature_platform.server.settings import ServerSettings
from feature_platform_tests.access.provider import AUDIENCE, ISSUER, serving
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask

NATIVE, FEAST = "/v1/features", "/get-online-features"
PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)
SHOP = {"service": "shop", "entities": [{"customer": "ann"}]}
LIST = {"features": ["plane:seats"], "entities": [{"tail": "N1"}]}
FEAST_SHOP = {"feature_service": "shop", "entities": {"customer": ["ann"]}}
FEAST_LIST = {"features": ["plane:seats"], "entities": {"tail": ["N1"]}}


def bearer(token: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"authorization", b"Bearer " + token.encode()),)


def token_for(folder: Path, *scopes: str) -> str:
    return create_key(folder, "tester", scopes, PAST)[1]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("read:shop", {"shop"}),
        ("read:typed", set()),
        ("read:*", {"shop", "list"}),
        ("push", set()),
        ("admin", {"shop", "list"}),
    ],
)
def test_a_scope_opens_what_it_names(start: Start, tmp_path: Path, scope: str, allowed: set[str]) -> None:
    headers = bearer(token_for(tmp_path / "access", scope))
    server = start()

    def status(path: str, body: object) -> int:
        return ask(server, path, body, headers=headers).status

    assert status(NATIVE, SHOP) == (200 if "shop" in allowed else 403)
    assert status(FEAST, FEAST_SHOP) == (200 if "shop" in allowed else 403)
    assert status(NATIVE, LIST) == (200 if "list" in allowed else 403)
    assert status(FEAST, FEAST_LIST) == (200 if "list" in allowed else 403)
    assert status("/v1/services", None) == status("/metrics", None) == status("/openapi.json", None) == 200


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"authorization", b""),),
        ((b"authorization", b"Bearer"),),
        ((b"authorization", b"Basic dTpw"),),
        ((b"authorization", b"Bearer fp_000000000000_" + b"A" * 43),),
        ((b"authorization", b"Bearer \xff\x00"),),
        ((b"authorization", b"Bearer a.b.c"),),
    ],
)
def test_nobody_is_let_in_without_a_key_that_is_known(
    start: Start, tmp_path: Path, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    token_for(tmp_path / "access", "admin")
    server = start()

    told = ask(server, NATIVE, SHOP, headers=headers)
    feast = ask(server, FEAST, FEAST_SHOP, headers=headers)

    assert told.status == feast.status == 401
    assert told.headers[b"www-authenticate"] == feast.headers[b"www-authenticate"] == b"Bearer"
    assert told.json["error"] == "NotIdentified"
    assert feast.feast_error["class"] == "FeastPermissionError"
    assert ask(server, "/metrics").status == ask(server, "/openapi.json").status == 401
    assert ask(server, "/health").status == ask(server, "/ready").status == 200


def test_two_tokens_are_none(start: Start, tmp_path: Path) -> None:
    headers = bearer(token_for(tmp_path / "access", "admin")) * 2

    assert ask(start(), NATIVE, SHOP, headers=headers).status == 401


def test_a_key_that_is_made_while_the_server_runs_shuts_it(server: FeatureServer, tmp_path: Path) -> None:
    assert ask(server, NATIVE, SHOP).status == 200
    token = token_for(tmp_path / "access", "read:shop")
    server.background._gate._keyring._look_at = 0.0
    server.background._gate.look()

    assert ask(server, NATIVE, SHOP).status == 401
    assert ask(server, NATIVE, SHOP, headers=bearer(token)).status == 200


def test_a_revoked_key_is_refused_though_the_server_replays_the_past(start: Start, tmp_path: Path) -> None:
    key, token = create_key(tmp_path / "access", "tester", ["admin"], PAST)
    revoke_key(tmp_path / "access", key.id, PAST)

    assert ask(start(), NATIVE, SHOP, headers=bearer(token)).status == 401


def test_a_damaged_file_of_keys_lets_nobody_in_and_is_no_mistake_of_the_client(start: Start, tmp_path: Path) -> None:
    token = token_for(tmp_path / "access", "admin")
    server = start()
    (tmp_path / "access" / "keys.json").write_text("{")
    server.background._gate._keyring._look_at = 0.0

    assert ask(server, NATIVE, SHOP, headers=bearer(token)).status == 503


def test_a_worker_that_finds_no_file_of_keys_lets_nobody_in_and_ready_says_why(start: Start, tmp_path: Path) -> None:
    headers = bearer(token_for(tmp_path / "access", "admin"))
    keys = tmp_path / "access" / "keys.json"
    kept = keys.read_bytes()
    keys.unlink()

    respawned = start(keys_needed=True)

    assert ask(respawned, NATIVE, SHOP).status == 401
    told = ask(respawned, NATIVE, SHOP, headers=headers)
    assert (told.status, told.json["error"]) == (503, "AccessKeysUnreadable")
    ready = ask(respawned, "/ready")
    assert ready.status == 503
    assert "is gone" in ready.json["problems"][0]
    assert ask(respawned, "/health").status == 200
    keys.write_bytes(kept)
    assert ask(respawned, NATIVE, SHOP, headers=headers).status == 200
    assert ask(respawned, "/ready").status == 200


def test_a_key_made_while_the_server_runs_is_needed_by_workers_that_come_later(published: Path, tmp_path: Path) -> None:
    settings = ServerSettings("", str(published / "online"), tmp_path / "access")
    fresh = _config_factory(settings, 2)

    def keys_needed() -> bool:
        worker = fresh().app
        assert isinstance(worker, Worker)
        return worker.settings.keys_needed

    assert not keys_needed()
    token_for(tmp_path / "access", "admin")
    for _ in range(100):  # the file is looked at once a second
        if keys_needed():
            break
        threading.Event().wait(0.05)
    (tmp_path / "access" / "keys.json").unlink()
    assert keys_needed()


@pytest.mark.parametrize("content", [b"{", b'{"format":1,"keys":[]}', b""])
def test_a_worker_that_finds_a_damaged_or_emptied_file_of_keys_lets_nobody_in(
    start: Start, tmp_path: Path, content: bytes
) -> None:
    headers = bearer(token_for(tmp_path / "access", "admin"))
    (tmp_path / "access" / "keys.json").write_bytes(content)

    respawned = start(keys_needed=True)

    assert ask(respawned, NATIVE, SHOP).status == 401
    assert ask(respawned, NATIVE, SHOP, headers=headers).status in (401, 503)


def test_a_file_of_keys_that_vanishes_opens_nothing_and_is_told(start: Start, tmp_path: Path) -> None:
    headers = bearer(token_for(tmp_path / "access", "admin"))
    server = start()
    assert ask(server, "/ready").status == 200

    (tmp_path / "access" / "keys.json").unlink()
    server.background._gate._keyring._look_at = 0.0

    assert ask(server, "/ready").status == 503
    assert ask(server, NATIVE, SHOP).status == 401
    assert ask(server, NATIVE, SHOP, headers=headers).status == 503


def test_a_refusal_names_who_asked_and_what_is_missing_but_no_token(start: Start, tmp_path: Path) -> None:
    token = token_for(tmp_path / "access", "push")

    told = ask(start(), FEAST, FEAST_SHOP, headers=bearer(token))

    assert told.status == 403
    assert "`tester`" in told.feast_error["message"]
    assert "`read:shop`" in told.feast_error["message"]
    assert token not in told.feast_error["message"]


def test_a_jwt_is_as_good_as_a_key_for_the_scopes_it_has(start: Start) -> None:
    with serving() as provider:
        provider.rotate("ES256")
        server = start(jwt=(ISSUER, AUDIENCE, provider.url))
        good = bearer(provider.sign("ES256", scope="openid read:shop"))
        forged = bearer(provider.sign("ES256", scope="read:shop")[:-8] + "AAAAAAAA")

        assert ask(server, NATIVE, SHOP).status == 401
        assert ask(server, NATIVE, SHOP, headers=good).status == 200
        assert ask(server, NATIVE, LIST, headers=good).status == 403
        assert ask(server, FEAST, FEAST_SHOP, headers=forged).status == 401
        provider.rotate("RS256", kid="other")
        provider.status = 500
        assert ask(server, NATIVE, SHOP, headers=good).status == 200, "it was verified a moment ago"
