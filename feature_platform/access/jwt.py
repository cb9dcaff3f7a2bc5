"""JSON Web Tokens of an identity provider (OIDC, OAuth 2), verified by PyJWT against the keys the provider publishes.

Only signatures that need a private key count: with HS256 anybody who knows the public key could sign, with `none`
anybody at all. When the provider cannot be reached, nothing can be verified, and no token passes.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import jwt

from feature_platform.access.jwks import signing_keys
from feature_platform.access.scopes import Identity, is_scope
from feature_platform.ground.clock import microsecond_of, moment_of
from feature_platform.ground.errors import InvalidDeclaration, TokenRefused

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LONGEST = 8192  # bytes

_KEPT_FOR = 60_000_000  # microseconds
_KEPT = 4096  # tokens
_SECOND = 1_000_000


class TokenVerifier:
    """A verifier that tells whom a JWT belongs to; any number of threads may use it.

    PyJWT reads the clock of the machine for `exp`, `nbf` and `iat`; `now` must allow `exp` as well.

    Args:
        issuer, audience, jwks: see `jwt_verifier`.
        algorithms: some of `ASYMMETRIC`.
        leeway: seconds that the clocks of both sides may differ.
        timeout: seconds that the provider has to answer.
        cooldown: seconds in which unknown key ids cause one fetch at most; a new key may have to wait as long.

    Raises:
        InvalidDeclaration: an argument is empty, an algorithm is not asymmetric, or the address is not https.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks: str,
        *,
        algorithms: Sequence[str] = ASYMMETRIC,
        leeway: int = 10,
        timeout: float = 3.0,
        cooldown: float = 30.0,
    ) -> None:
        for name, value in {"jwt_issuer": issuer, "jwt_audience": audience, "jwks_url": jwks}.items():
            if not value:
                raise InvalidDeclaration(f"Setting `{name}`", "is empty", "JWT needs issuer, audience and keys.")
        if not algorithms or not set(algorithms) <= set(ASYMMETRIC):
            raise InvalidDeclaration(
                "JWT verification", f"is asked for the algorithms {list(algorithms)}", f"Use {', '.join(ASYMMETRIC)}."
            )
        self._issuer, self._audience, self._leeway = issuer, audience, leeway
        self._algorithms = tuple(algorithms)
        self._keys = signing_keys(jwks, timeout, cooldown)
        self._kept: dict[bytes, tuple[datetime, Identity]] = {}
        self._lock = threading.Lock()

    def cached_identity(self, token: bytes | str, now: datetime) -> Identity | None:
        """Return whose token this is if it was verified within the last minute and is still valid; never waits."""
        sent = _as_bytes(token)
        entry = self._kept.get(hashlib.sha256(sent).digest()) if len(sent) <= LONGEST else None
        return entry[1] if entry is not None and now < entry[0] else None

    def verify(self, token: bytes | str, now: datetime) -> Identity:
        """Return whose token this is; may wait for the provider, so call it from a thread if `cached` returns None.

        The answer is kept for a minute, or until the token ends: it is valid while `now < exp + leeway`. Scopes are
        those of `scope` or `scp` that the platform knows; others, such as `openid`, grant nothing.

        Raises:
            TokenRefused: the token is not valid; says why, without any of its content.
            TokenNotVerifiable: the keys of the provider cannot be fetched.
        """
        sent = _as_bytes(token)
        if len(sent) > LONGEST:
            raise TokenRefused(f"it is longer than {LONGEST} bytes")
        if (cached := self.cached_identity(sent, now)) is not None:
            return cached
        claims = self._claims(sent, now)
        until = (_seconds_of(claims["exp"]) + self._leeway) * _SECOND
        if microsecond_of(now) >= until:
            raise TokenRefused("it has expired")
        identity = Identity(_name_of(claims), _scopes_of(claims))
        self._keep(sent, moment_of(min(until, microsecond_of(now) + _KEPT_FOR)), identity)
        return identity

    def _claims(self, token: bytes, now: datetime) -> Mapping[str, object]:
        """Return the claims of a token whose signature, issuer, audience and end are verified."""
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if header.get("alg") not in self._algorithms:
                raise TokenRefused(f"its algorithm is none of {', '.join(self._algorithms)}")
            if not kid:
                raise TokenRefused("it does not say which key signed it (`kid`)")
            if (key := self._keys.key(kid, now)) is None:
                raise TokenRefused("its issuer does not publish the key that it names (`kid`)")
            return jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(f"{type(error).__name__}: {error}") from None

    def _keep(self, token: bytes, until: datetime, identity: Identity) -> None:
        """Remember a verified token; others are not remembered, so that a flood of them pushes nothing out."""
        with self._lock:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[hashlib.sha256(token).digest()] = until, identity


def _as_bytes(token: bytes | str) -> bytes:
    return token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")


def _seconds_of(exp: object) -> int:
    """Return a claim as a whole number; PyJWT has checked that it is a number."""
    return int(exp) if isinstance(exp, (int, float, str)) else 0


def _name_of(claims: Mapping[str, object]) -> str:
    """Return the name of the caller, in printable characters for a log."""
    name = next((claims[each] for each in ("sub", "client_id", "azp") if isinstance(claims.get(each), str)), "")
    return "".join(letter if letter.isprintable() else "?" for letter in str(name)[:100]) or "(no subject)"


def _scopes_of(claims: Mapping[str, object]) -> frozenset[str]:
    """Return the scopes of a token.

    RFC 9068 writes `scope` as words between spaces; others write `scp`, as words or as a list.
    """
    claim = claims.get("scope", claims.get("scp"))
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(word for word in words if isinstance(word, str) and is_scope(word))
