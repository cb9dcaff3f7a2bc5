"""An identity provider on loopback: it has keys, signs tokens and publishes its JWKS over HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://issuer.example"
AUDIENCE = "features"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_key(algorithm: str) -> PrivateKey:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def published(kid: str, algorithm: str, key: PrivateKey) -> dict[str, object]:
    """The public half of a key as a JWK."""
    to_jwk = jwt.get_algorithm_by_name(algorithm).to_jwk
    return {**json.loads(to_jwk(key.public_key())), "kid": kid, "alg": algorithm, "use": "sig"}


def claims(**changes: object) -> dict[str, object]:
    """Claims that are fine, with changes; None takes one away."""
    fine = {"iss": ISSUER, "aud": AUDIENCE, "sub": "airline", "exp": int(time.time()) + 600, "scope": "read:delay_v1"}
    return {name: value for name, value in {**fine, **changes}.items() if value is not None}


@dataclass
class Provider:
    """Its address, the body that it answers with, and how often it was asked."""

    url: str = ""
    body: bytes = b'{"keys": []}'
    status: int = 200
    asked: int = 0
    keys: dict[str, tuple[str, PrivateKey]] = field(default_factory=dict)

    def rotate(self, *algorithms: str, kid: str = "") -> None:
        """Publish new keys in the place of the old ones; each is named by its algorithm, or as told."""
        self.keys = {kid or algorithm: (algorithm, new_key(algorithm)) for algorithm in algorithms}
        self.publish(*(published(name, *known) for name, known in self.keys.items()))

    def publish(self, *keys: dict[str, object]) -> None:
        self.body = json.dumps({"keys": keys}).encode()

    def sign(self, kid: str, headers: dict[str, object] | None = None, **changes: object) -> str:
        """A token with these claims."""
        algorithm, key = self.keys[kid]
        payload = json.dumps(claims(**changes)).encode()  # as PyJWS, because PyJWT makes no tokens that are wrong
        return jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers={"kid": kid, **(headers or {})})


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider that answers until the end of the block."""
    provider = Provider()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked += 1
            self.send_response(provider.status)
            self.send_header("Content-Length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        provider.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
