"""Providers of tokens, and who verifies them."""

from collections.abc import Iterator

import pytest

from feature_platform.access import jwt_verifier
from feature_platform.access.jwt import TokenVerifier
from feature_platform_tests.access.provider import AUDIENCE, ISSUER, Provider, serving


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    """A provider whose keys nobody changes."""
    with serving() as provider:
        provider.rotate("RS256", "ES256", "EdDSA")
        yield provider


@pytest.fixture(scope="module")
def verifier(shared: Provider) -> TokenVerifier:
    return jwt_verifier(ISSUER, AUDIENCE, shared.url)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of a test's own."""
    with serving() as provider:
        provider.rotate("ES256")
        yield provider
