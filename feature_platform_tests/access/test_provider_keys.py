"""The keys of a provider: when they are fetched, rotated, remembered and given up."""

import socket
import time
from pathlib import Path

import pytest

from feature_platform.access import jwt_verifier
from feature_platform.access.jwt import TokenVerifier
from feature_platform.ground.errors import TokenNotVerifiable, TokenRefused
from feature_platform_tests.access.provider import AUDIENCE, ISSUER, Provider, published
from feature_platform_tests.access.tokens import SECOND, now, refused


def test_keys_are_fetched_once_for_many_tokens(provider: Provider) -> None:
    verifier = jwt_verifier(ISSUER, AUDIENCE, provider.url)
    assert provider.asked == 0
    for number in range(20):
        verifier.verify(provider.sign("ES256", jti=str(number)), now())

    assert provider.asked == 1


def test_unknown_key_ids_do_not_hammer_the_provider(provider: Provider) -> None:
    verifier = jwt_verifier(ISSUER, AUDIENCE, provider.url)
    for number in range(20):
        token = provider.sign("ES256", headers={"kid": f"unknown {number}"})
        assert "does not publish the key" in refused(verifier, token)

    assert provider.asked <= 2


def test_a_rotated_key_is_known_and_the_old_one_is_forgotten(provider: Provider) -> None:
    verifier = TokenVerifier(ISSUER, AUDIENCE, provider.url, cooldown=0)
    old = provider.sign("ES256")
    verifier.verify(old, now())
    provider.rotate("ES256", kid="new")

    assert verifier.verify(provider.sign("new"), now()).name == "airline"
    assert "does not publish the key" in refused_later(verifier, old)


def refused_later(verifier: TokenVerifier, token: str) -> str:
    """Why a token is refused once it is no longer remembered."""
    with pytest.raises(TokenRefused) as caught:
        verifier.verify(token, now() + 61 * SECOND)
    return str(caught.value)


def test_a_provider_that_cannot_be_reached_lets_nobody_in() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/jwks.json"
        verifier, known = jwt_verifier(ISSUER, AUDIENCE, url), Provider()
        known.rotate("ES256")
        with pytest.raises(TokenNotVerifiable, match=r"cannot be fetched: PyJWKClientConnectionError"):
            verifier.verify(known.sign("ES256"), now())


def test_a_provider_that_does_not_answer_is_given_up_and_not_asked_by_everyone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks.json"
        verifier, known = TokenVerifier(ISSUER, AUDIENCE, url, timeout=0.2), Provider()
        known.rotate("ES256")
        start, began = now(), time.monotonic()
        for number in range(50):
            with pytest.raises(TokenNotVerifiable):
                verifier.verify(known.sign("ES256", jti=str(number)), start)

    assert time.monotonic() - began < 2


BAD_ANSWERS = {
    "no JSON": b"<html>",
    "cut off": b'{"keys": [',
    "not UTF-8": b'"\xff"',
    "a list": b"[]",
    "no keys": b'{"keys": []}',
    "null": b'{"keys": null}',
    "odd keys": b'{"keys": [1, null, {"kty": "XX"}]}',
    "odd algorithm": b'{"keys": [{"kty": "RSA", "alg": ["RS256"], "kid": "ES256"}]}',
    "odd id": b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": ["ES256"], "alg": "XX"}]}',
    "deep": b"[" * 100_000,
    "empty": b"",
}


@pytest.mark.parametrize("body", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_holds_no_keys_lets_nobody_in(provider: Provider, body: bytes, tmp_path: Path) -> None:
    token, provider.body = provider.sign("ES256"), body
    file = tmp_path / "jwks.json"
    file.write_bytes(body)
    for place in (provider.url, str(file)):
        with pytest.raises(TokenNotVerifiable):
            jwt_verifier(ISSUER, AUDIENCE, place).verify(token, now())


def test_a_provider_that_recovers_is_asked_again_after_a_few_seconds(provider: Provider) -> None:
    verifier, token, start = jwt_verifier(ISSUER, AUDIENCE, provider.url), provider.sign("ES256"), now()
    provider.status = 503
    with pytest.raises(TokenNotVerifiable):
        verifier.verify(token, start)
    provider.status = 200
    with pytest.raises(TokenNotVerifiable):
        verifier.verify(token, start + 4 * SECOND)

    assert verifier.verify(token, start + 5 * SECOND).name == "airline"


def test_a_failure_when_an_unknown_key_is_looked_for_lets_nobody_in(provider: Provider) -> None:
    verifier = TokenVerifier(ISSUER, AUDIENCE, provider.url, cooldown=0)
    verifier.verify(provider.sign("ES256"), now())
    provider.status = 500
    with pytest.raises(TokenNotVerifiable):
        verifier.verify(provider.sign("ES256", headers={"kid": "new"}), now())


def test_a_known_key_verifies_while_unknown_ones_are_looked_for_in_vain(provider: Provider) -> None:
    verifier, start = TokenVerifier(ISSUER, AUDIENCE, provider.url, cooldown=0), now()
    verifier.verify(provider.sign("ES256"), start)
    provider.status = 500
    with pytest.raises(TokenNotVerifiable):
        verifier.verify(provider.sign("ES256", headers={"kid": "new"}), start)

    assert verifier.verify(provider.sign("ES256", sub="other"), start).name == "other"


def test_a_key_for_encryption_verifies_nothing(provider: Provider, tmp_path: Path) -> None:
    algorithm, key = provider.keys["ES256"]
    provider.publish({**published("ES256", algorithm, key), "use": "enc"})
    (tmp_path / "jwks.json").write_bytes(provider.body)
    for place in (provider.url, str(tmp_path / "jwks.json")):
        with pytest.raises((TokenRefused, TokenNotVerifiable)):
            jwt_verifier(ISSUER, AUDIENCE, place).verify(provider.sign("ES256"), now())


def test_keys_may_be_in_a_file_which_is_read_again_when_it_changes(provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    verifier, old = jwt_verifier(ISSUER, AUDIENCE, str(file)), provider.sign("ES256")
    with pytest.raises(TokenNotVerifiable, match="No such file"):
        verifier.verify(old, now())
    file.write_bytes(provider.body)
    assert verifier.verify(old, now()).name == "airline"

    provider.rotate("EdDSA", kid="new")
    file.write_bytes(provider.body)

    assert verifier.verify(provider.sign("new"), now()).name == "airline"
    assert "does not publish the key" in refused_later(verifier, old)
    assert provider.asked == 0
