from collections.abc import Iterator

import pytest

from feature_platform_tests.buckets import Bucket, make_bucket, s3_server


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of an S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket."""
    return make_bucket(s3_address, monkeypatch)
