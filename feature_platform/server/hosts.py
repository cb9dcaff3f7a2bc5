"""Hosts: the names under which a server answers, and the web pages that may post to it while it has no access keys.

A browser runs any page of the web beside a server that listens on loopback. A page may post there without asking, and
one whose own name is made to resolve to 127.0.0.1 (DNS rebinding) may even read. The first says so in `Origin` and
`Sec-Fetch-Site`, the second in `Host`; programs send neither a foreign host nor an origin.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from feature_platform.ground.errors import HostRefused, InvalidDeclaration, PageRefused

_HERE = ("localhost",)
_KEPT = 100  # texts of hosts that are known to be allowed
_OWN_PAGES = (b"same-origin", b"none")  # of this server, or typed into the browser

Headers = Sequence[tuple[bytes, bytes]]


class Hosts:
    """The names of a server.

    Args:
        named: further names of the server; pages of these may post to it, too.
        listening: the host that it listens on.

    Raises:
        InvalidDeclaration: one of them is no name of a host.
    """

    def __init__(self, named: Sequence[str], listening: str) -> None:
        self._named = frozenset(_normalize_name(name) for name in named)
        self._names = self._named | {_bare(listening.lower()), *_HERE}
        self._known: set[bytes] = set()
        self.are_named = bool(named)

    def check(self, headers: Headers, *, posts: bool, pages: bool) -> None:
        """Refuse a request that was meant for another host, or is sent by a page of another site.

        Args:
            posts: whether the request may change something.
            pages: whether pages of other sites are refused; not needed where each request proves who sends it.

        Raises:
            HostRefused: it names a host that this server is not.
            PageRefused: a page of another site sends it.
        """
        host: bytes | None = None
        origin: bytes | None = None
        site: bytes | None = None
        for name, value in headers:
            if name == b"host":
                host = value
                if value not in self._known:
                    self._check_host(value)
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if pages and posts and (origin is not None or site is not None):
            self._check_page(host, origin, site)

    def _check_host(self, value: bytes) -> None:
        host = _host_of(value)
        if host not in self._names and not host.endswith(".localhost") and not _is_loopback(host):
            raise HostRefused(host)
        if len(self._known) < _KEPT:
            self._known.add(value)

    def _check_page(self, host: bytes | None, origin: bytes | None, site: bytes | None) -> None:
        """Refuse a page of another site; old browsers do not say whether it is one, only where it comes from."""
        own = site in _OWN_PAGES if site is not None else _after_scheme(origin) == host
        if not own and (origin is None or _host_of(_after_scheme(origin)) not in self._named):
            raise PageRefused("an unnamed page" if origin is None else _text(origin))


def _after_scheme(origin: bytes | None) -> bytes:
    return b"" if origin is None else origin.partition(b"://")[2]


def _host_of(value: bytes) -> str:
    """Return the name or the address of `host`, `host:port`, `[address]` or `[address]:port`."""
    text = _text(value).lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def _bare(host: str) -> str:
    return host.removeprefix("[").removesuffix("]")


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _normalize_name(name: str) -> str:
    """Return a name as it is compared: without a port and in small letters."""
    try:
        parts = urlsplit(f"//{name}")
        whole = parts.hostname is not None and parts.port is None and _bare(name.lower()) == parts.hostname
    except ValueError:
        whole = False
    if not whole or "*" in name or not name.isprintable() or " " in name:
        raise InvalidDeclaration(
            "Setting `allowed_hosts`",
            f"has {name!r:.100}, which is no name of a host",
            "Write names as in features.example.com: no scheme, no port, no star.",
        )
    return _bare(name.lower()).removesuffix(".")
