"""What becomes of a token that a verifier looks at."""

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest

from feature_platform.access.jwt import TokenVerifier
from feature_platform.ground.errors import TokenRefused

SECOND = timedelta(seconds=1)


def now() -> datetime:
    """PyJWT reads the clock of the machine, so these tests live in the present."""
    return datetime.now(timezone.utc)


def refused(verifier: TokenVerifier, token: str | bytes) -> str:
    """Why a token is refused; nothing of it is remembered or repeated."""
    with pytest.raises(TokenRefused) as caught:
        verifier.verify(token, now())
    assert verifier.cached_identity(token, now()) is None
    for part in (token if isinstance(token, str) else token.decode("latin-1")).split("."):
        assert len(part) < 10 or part not in str(caught.value)
    return str(caught.value)


def text(part: bytes | dict[str, object]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
