"""The only function that imports JWT verification: without it, PyJWT need not be installed and costs nothing."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from feature_platform.ground.errors import PackageMissing

if TYPE_CHECKING:
    from feature_platform.access.jwt import TokenVerifier


def jwt_verifier(issuer: str, audience: str, jwks: str) -> "TokenVerifier":
    """Return a verifier of the tokens of one identity provider; nothing is fetched until a token comes.

    Args:
        issuer: the exact text that `iss` must be.
        audience: the text that `aud` must be or contain.
        jwks: the https address where the issuer publishes its keys, or the path of a file with them.

    Raises:
        PackageMissing: the extra `jwt` is not installed.
        InvalidDeclaration: an argument is empty, or the address is not safe against changes on the way.
    """
    if any(find_spec(package) is None for package in ("jwt", "cryptography")):
        raise PackageMissing("JWT verification", "pyjwt[crypto]", "jwt")
    from feature_platform.access.jwt import TokenVerifier

    return TokenVerifier(issuer, audience, jwks)
