"""A Redis or Valkey server as the store uses it: commands, scripts, and the pieces that large values are cut into.

This is the only module that imports the client. A command may be sent twice, when a connection breaks before the answer
comes: the store sends only commands for which this makes no difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from feature_platform.ground.errors import PackageMissing

try:
    import redis
    from redis.backoff import ExponentialWithJitterBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry
except ModuleNotFoundError as error:
    raise PackageMissing("The online store in Redis", "redis[hiredis]", "redis") from error

__all__ = ["RedisError", "Server", "Word", "address_fault", "pairs_of", "server_at"]

Word = bytes | str | int
_SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_PAIRS, _BYTES = 1000, 2**20  # the most that one command carries


class Server:
    """The connections of this process to a server; threads share them, and a fork makes its own."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def ask(self, *words: Word) -> Any:
        """Return the answer to a command, as the client gives it."""
        return self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> Sequence[Any]:
        """Return the answers to some commands that are sent together; other commands may come in between."""
        sent = self._client.pipeline(transaction=False)
        for words in commands:
            sent.execute_command(*words)  # type: ignore[no-untyped-call]
        return sent.execute()

    def run(self, script: str, key: str, *words: Word) -> bytes:
        """Run a script and return its answer. The server keeps the script after the first time."""
        answer: bytes = self._client.register_script(script)(keys=[key], args=words)
        return answer

    def pages(self, name: str) -> Iterator[dict[bytes, bytes]]:
        """Yield the entries of a hash except its empty key, some at a time."""
        at, page = self.ask("HSCAN", name, 0, "COUNT", _PAIRS)
        while True:
            page.pop(b"", None)
            if page:
                yield page
            if at == 0:
                return
            at, page = self.ask("HSCAN", name, at, "COUNT", _PAIRS)

    def put(self, name: str, entries: Mapping[bytes, bytes | None]) -> None:
        """Set fields of a hash, and remove those whose entry is None."""
        present = {key: entry for key, entry in entries.items() if entry is not None}
        for pairs in pairs_of(list(present), list(present.values())):
            self.ask("HSET", name, *pairs)
        self.send_members("HDEL", name, [key for key, entry in entries.items() if entry is None])

    def send_members(self, command: str, name: str, members: Sequence[bytes]) -> None:
        """Send a command that takes members, such as `SADD`, for some at a time; nothing if there are none."""
        for start in range(0, len(members), _PAIRS):
            self.ask(command, name, *members[start : start + _PAIRS])


def pairs_of(keys: Sequence[bytes], entries: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield keys and entries in turn, as many as one command carries."""
    pairs: list[bytes] = []
    size = 0
    for key, entry in zip(keys, entries, strict=True):
        pairs += (key, entry)
        size += len(entry)
        if size >= _BYTES or len(pairs) >= 2 * _PAIRS:
            yield pairs
            pairs, size = [], 0
    if pairs:
        yield pairs


@lru_cache(maxsize=16)
def server_at(url: str, timeout: float) -> Server:
    """Return the server at an address; a process has one set of connections to it, opened when they are needed."""
    scheme, _, rest = url.partition("://")
    again = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3)
    client = redis.Redis.from_url(
        f"{_SCHEMES[scheme]}://{rest}", socket_timeout=timeout, socket_connect_timeout=timeout, retry=again
    )
    return Server(client)


def address_fault(url: str) -> str | None:
    """Return what is wrong with an address, without any part of it: an unescaped password may be in any part."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "that cannot be read (in a password write `%2F` for `/`, `%40` for `@`, `%3F` for `?`, `%23` for `#`)"
    if parts.scheme not in _SCHEMES:
        return "of an unknown kind"
    odd = "@" in parts.path + parts.query or parts.fragment
    half = parts.netloc and "@" not in parts.netloc and (parts.scheme == "unix" or not parts.hostname)
    if odd or half:
        return "with a password that is not escaped (write `%2F` for `/`, `%40` for `@`, `%3F` for `?`, `%23` for `#`)"
    return "with the port 0" if port == 0 else None
