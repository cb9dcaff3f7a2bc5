"""An object store for tests: moto's S3 server in a process of its own; writers hold Python's lock while they wait."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen
from uuid import uuid4

import obstore
import pytest
from obstore.store import S3Store

import feature_platform as fp

SECRET_NAME, SECRET = "TEST_BUCKET_KEY", "s3cr/et+key"


class Bucket:
    """A bucket with nothing in it."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"bucket-{uuid4().hex}"
        self.options = {
            "aws_endpoint_url": endpoint,
            "aws_access_key_id": "tester",
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        }
        key = {"aws_secret_access_key": fp.Secret(SECRET_NAME)}
        self.store = fp.sources.ObjectStore(f"s3://{self.name}", options=self.options, secrets=key)
        self._client = S3Store(
            self.name,
            endpoint=endpoint,
            access_key_id="tester",
            secret_access_key=SECRET,
            region="us-east-1",
            client_options={"allow_http": True},
        )

    @property
    def all_options(self) -> dict[str, str]:
        """What deltalake takes to read and write here."""
        return {**self.options, "aws_secret_access_key": SECRET}

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        obstore.put(self._client, key, content)

    def drop(self, key: str) -> None:
        """Remove an object."""
        obstore.delete(self._client, key)


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server, and yield its address."""
    words = [sys.executable, "-m", __name__]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def make_bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Make a bucket whose key is in the environment."""
    monkeypatch.setenv(SECRET_NAME, SECRET)
    bucket = Bucket(endpoint)
    with urlopen(Request(f"{endpoint}/{bucket.name}", method="PUT")):
        return bucket


def serve() -> None:
    """Say the address, and answer until the other side is gone."""
    from moto.server import ThreadedMotoServer

    logging.disable()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve()
