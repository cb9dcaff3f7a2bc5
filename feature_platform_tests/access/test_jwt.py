"""JWT of an identity provider: only what its private key signed for us, and is valid now, is let in."""

import hashlib
import hmac
import json
import socket
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.access import Identity, jwt_verifier
from feature_platform.access.jwt import ASYMMETRIC, LONGEST, TokenVerifier
from feature_platform.ground.errors import InvalidDeclaration, PackageMissing, TokenRefused
from feature_platform_tests.access.provider import AUDIENCE, ISSUER, Provider, claims, published
from feature_platform_tests.access.tokens import SECOND, now, refused, text
from feature_platform_tests.test_house import loaded_after


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_of_the_provider_is_known_as_text_and_as_bytes(
    shared: Provider, verifier: TokenVerifier, algorithm: str
) -> None:
    token = shared.sign(algorithm, scope="openid read:delay_v1 push")

    expected = Identity("airline", frozenset({"read:delay_v1", "push"}))
    assert verifier.verify(token, now()) == verifier.verify(token.encode(), now()) == expected


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "push push  admin"}, {"push", "admin"}),
        ({"scope": None, "scp": ["push", "read:*", 7, None, "other"]}, {"push", "read:*"}),
        ({"scope": None, "scp": "push read:a"}, {"push", "read:a"}),
        ({"scope": "openid profile read: read:a/b Admin"}, set()),
        ({"scope": None}, set()),
        ({"scope": {"admin": True}}, set()),
        ({"scope": ["push"]}, {"push"}),
    ],
)
def test_scopes_that_the_platform_does_not_know_grant_nothing(
    shared: Provider, verifier: TokenVerifier, changes: dict[str, Any], scopes: set[str]
) -> None:
    assert verifier.verify(shared.sign("ES256", **changes), now()).scopes == scopes


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"sub": None, "client_id": "batch"}, "batch"),
        ({"sub": None, "azp": "app"}, "app"),
        ({"sub": None}, "(no subject)"),
        ({"sub": "a\nb\x1b[31m" + "x" * 200}, "a?b?[31m" + "x" * 92),
    ],
)
def test_the_name_is_fit_for_a_log(
    shared: Provider, verifier: TokenVerifier, changes: dict[str, Any], name: str
) -> None:
    assert verifier.verify(shared.sign("ES256", **changes), now()).name == name


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"exp": None}, '"exp" claim'),
        ({"exp": "soon"}, "must be an integer"),
        ({"exp": float("inf")}, "must be an integer"),
        ({"exp": [1]}, "must be an integer"),
        ({"aud": "another service"}, "Audience"),
        ({"aud": [AUDIENCE + "x", ""]}, "Audience"),
        ({"aud": None}, '"aud" claim'),
        ({"aud": {AUDIENCE: 1}}, "Invalid claim format"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": ISSUER.upper()}, "issuer"),
        ({"iss": None}, '"iss" claim'),
        ({"iss": [ISSUER]}, "must be a string"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"iat": 4_000_000_000}, "not yet valid"),
        ({"sub": 7}, "Subject must be a string"),
    ],
)
def test_claims_that_do_not_bind_it_to_us_now_are_refused(
    shared: Provider, verifier: TokenVerifier, changes: dict[str, Any], why: str
) -> None:
    assert why in refused(verifier, shared.sign("ES256", **changes))


def test_an_audience_may_be_one_of_several(shared: Provider, verifier: TokenVerifier) -> None:
    assert verifier.verify(shared.sign("ES256", aud=["another", AUDIENCE]), now()).name == "airline"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, "HS256", ["RS256"], {"RS256": 1}, 7])
def test_a_token_without_an_asymmetric_algorithm_is_refused(
    shared: Provider, verifier: TokenVerifier, name: object
) -> None:
    token = f"{text({'alg': name, 'typ': 'JWT', 'kid': 'RS256'})}.{text(claims())}."

    assert "its algorithm is none of RS256" in refused(verifier, token)


@pytest.mark.parametrize("encoding", ["pem", "jwk"])
@pytest.mark.parametrize("name", ["HS256", "RS256", "ES256"])
def test_a_token_signed_with_the_public_key_as_a_password_is_refused(
    shared: Provider, verifier: TokenVerifier, encoding: str, name: str
) -> None:
    algorithm, key = shared.keys["RS256"]
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    password = pem if encoding == "pem" else json.dumps(published("RS256", algorithm, key)).encode()
    signed = f"{text({'alg': name, 'kid': 'RS256'})}.{text(claims())}"
    signature = hmac.new(password, signed.encode(), hashlib.sha256).digest()

    refused(verifier, f"{signed}.{text(signature)}")


def test_a_password_that_a_provider_publishes_by_mistake_signs_nothing(provider: Provider) -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    provider.publish({"kty": "oct", "k": text(secret), "kid": "shared"})
    verifier = jwt_verifier(ISSUER, AUDIENCE, provider.url)
    for name in ("HS256", "RS256"):
        signed = f"{text({'alg': name, 'kid': 'shared'})}.{text(claims())}"
        refused(verifier, f"{signed}.{text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}")


def test_a_key_of_another_with_a_known_name_signs_nothing(shared: Provider, verifier: TokenVerifier) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode(claims(), stranger, algorithm="RS256", headers={"kid": "RS256"})

    assert "Signature verification failed" in refused(verifier, token)


def test_a_key_that_the_token_brings_along_counts_for_nothing(shared: Provider, verifier: TokenVerifier) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own = {"jwk": published("mine", "RS256", stranger), "jku": "http://127.0.0.1:9/", "kid": "mine"}

    assert "does not publish the key" in refused(
        verifier, jwt.encode(claims(), stranger, algorithm="RS256", headers=own)
    )


def test_a_key_too_short_to_trust_signs_nothing(provider: Provider) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    provider.publish(published("weak", "RS256", weak))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims(), weak, algorithm="RS256", headers={"kid": "weak"})

    assert "InvalidKeyError" in refused(jwt_verifier(ISSUER, AUDIENCE, provider.url), token)


def test_an_altered_part_breaks_the_signature(shared: Provider, verifier: TokenVerifier) -> None:
    head, _, signature = shared.sign("ES256").split(".")
    more = text(claims(scope="admin"))

    assert "Signature verification failed" in refused(verifier, f"{head}.{more}.{signature}")
    for sent in (f"{head}.{more}.", f"{head}.{more}", f"{head}..{signature}", f"{head}.{more}.{signature}.x"):
        refused(verifier, sent)


def test_a_token_without_a_key_id_is_refused(shared: Provider, verifier: TokenVerifier) -> None:
    for kid in (None, "", 7):
        refused(verifier, f"{text({'alg': 'ES256', 'kid': kid})}.{text(claims())}.AA")


@pytest.mark.parametrize(
    "sent", ["", ".", "..", "...", "a.b.c", "\ud800.x.y", "é.é.é", "\0", "x" * 9000, text(b"[" * 5000) + ".e30.AA"]
)
def test_what_is_no_token_is_refused(verifier: TokenVerifier, sent: str) -> None:
    refused(verifier, sent)


@given(sent=st.binary(max_size=60) | st.text(st.sampled_from('eyJ0.={}[]"\0é\ud800'), max_size=60))
def test_whatever_a_client_sends_is_refused_in_one_way(verifier: TokenVerifier, sent: str | bytes) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(sent, now())
    assert verifier.cached_identity(sent, now()) is None


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3))
        | st.sampled_from(["ES256", "RS256"]),
    )
)
def test_whatever_a_header_says_an_unsigned_token_is_refused(verifier: TokenVerifier, header: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(f"{text(header)}.{text(claims())}.{text(b'x' * 64)}", now())


def test_the_longest_token_is_looked_at_and_a_longer_one_is_not(shared: Provider, verifier: TokenVerifier) -> None:
    short = len(shared.sign("ES256", more=""))
    fits = shared.sign("ES256", more="x" * ((LONGEST - short) * 3 // 4 - 2))
    assert short < len(fits) <= LONGEST
    assert verifier.verify(fits, now()).name == "airline"
    assert f"longer than {LONGEST} bytes" in refused(verifier, fits + "x" * LONGEST)


def test_a_verified_token_is_remembered_for_a_minute(shared: Provider, verifier: TokenVerifier) -> None:
    token, start = shared.sign("ES256"), now()
    assert verifier.cached_identity(token, start) is None

    found = verifier.verify(token, start)

    assert (
        verifier.cached_identity(token, start) == verifier.cached_identity(token.encode(), start + 59 * SECOND) == found
    )
    assert verifier.cached_identity(token, start + 60 * SECOND) is None
    assert verifier.cached_identity(token[:-1], start) is None


def test_a_token_is_not_remembered_beyond_its_end(shared: Provider, verifier: TokenVerifier) -> None:
    end = int(time.time()) + 20
    token = shared.sign("ES256", exp=end)
    verifier.verify(token, now())
    last = datetime.fromtimestamp(end + 10, timezone.utc)  # ten seconds of leeway

    assert verifier.cached_identity(token, last - timedelta(microseconds=1)) is not None
    assert verifier.cached_identity(token, last) is None
    with pytest.raises(TokenRefused, match="expired"):
        verifier.verify(token, last)


def test_leeway_is_small(shared: Provider, verifier: TokenVerifier) -> None:
    assert verifier.verify(shared.sign("ES256", exp=int(time.time()) - 3), now()).name == "airline"
    assert "expired" in refused(verifier, shared.sign("ES256", exp=int(time.time()) - 12))


def test_what_is_remembered_is_bounded(
    shared: Provider, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_platform.access.jwt._KEPT", 3)
    verifier = TokenVerifier(ISSUER, AUDIENCE, shared.url)
    tokens = [shared.sign("EdDSA", jti=str(number)) for number in range(5)]
    for token in tokens:
        verifier.verify(token, now())

    assert [verifier.cached_identity(token, now()) is not None for token in tokens] == [False, False, True, True, True]


@pytest.mark.parametrize("algorithms", [["none"], ["HS256"], ["RS256", "HS512"], [], ["rs256"]])
def test_only_asymmetric_algorithms_can_be_configured(algorithms: list[str]) -> None:
    with pytest.raises(InvalidDeclaration, match="algorithms"):
        TokenVerifier(ISSUER, AUDIENCE, "keys.json", algorithms=algorithms)
    assert not [name for name in ASYMMETRIC if name.startswith(("HS", "none"))]


def test_an_algorithm_that_is_not_configured_is_refused(shared: Provider) -> None:
    verifier = TokenVerifier(ISSUER, AUDIENCE, shared.url, algorithms=["RS256"])

    assert "its algorithm is none of RS256" in refused(verifier, shared.sign("ES256"))


@pytest.mark.parametrize("url", ["http://issuer.example/jwks.json", "http://0.0.0.0/", "file:///etc/jwks", "ftp://x/y"])
def test_an_address_that_can_be_tampered_with_on_the_way_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    with pytest.raises(InvalidDeclaration, match="Give an https address"):
        jwt_verifier(ISSUER, AUDIENCE, url)


@pytest.mark.parametrize("arguments", [("", AUDIENCE, "x"), (ISSUER, "", "x"), (ISSUER, AUDIENCE, "")])
def test_an_empty_setting_is_refused(arguments: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidDeclaration, match="is empty"):
        jwt_verifier(*arguments)


@pytest.mark.parametrize("package", ["jwt", "cryptography"])
def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PackageMissing, match=r"pip install 'pyjwt\[crypto\]'"):
        jwt_verifier(ISSUER, AUDIENCE, "keys.json")


def test_nobody_pays_for_jwt_who_does_not_use_it() -> None:
    loaded = loaded_after("import feature_platform.access")

    assert not {"jwt", "cryptography", "pydantic", "dagster"} & loaded
