"""The address of a database: a URL without any password, taken apart.

A URL that is refused is never shown: whoever wrote a password into it may have written it into any part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from feature_platform.ground.errors import InvalidDeclaration

_SERVER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+._-]*)://(?:(?P<user>[\w.%+~-]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/(?P<name>[^/?#@:]*))?(?:\?(?P<options>[\w.=&%/+,:-]*))?",
    re.ASCII,
)
_FILE = re.compile(r"(sqlite(?:\+[a-z]+)?):///(.+)", re.DOTALL)
_FILE_OF_DRIVER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+._-]*):///(?P<name>[^?#@:]+)(?:\?(?P<options>[\w.=&%/+,:-]*))?", re.ASCII
)
_PASSWORD_WORDS = re.compile(r"passw|pwd|secret|token", re.IGNORECASE)
_OWNER = "Connector Database"
_EXAMPLES = 'Write e.g. "postgresql://reader@db.internal/shop" or "sqlite:///data/shop.db"'


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes:
        scheme: the part before `://`, such as `postgresql` or `mysql+pymysql`.
        name: of the database; of SQLite the path of its file.
        options: for the driver, such as `sslmode`; never shown.
    """

    scheme: str
    user: str | None = None
    host: str = ""
    port: int | None = None
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_file(self) -> bool:
        """Tell whether it is the path of a file, not a server."""
        return not self.host and bool(self.name)

    @property
    def place(self) -> str:
        """Return the address for people, without its options."""
        return self._place_of(f"{self.user}@" if self.user else "")

    @property
    def place_without_user(self) -> str:
        """Return the address without its user and options, as a driver takes it."""
        return self._place_of("").rstrip("/")

    def _place_of(self, user: str) -> str:
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{self.host}{port}/{self.name}"


def address_of(url: object, *, has_driver: bool = False) -> Address:
    """Take a URL apart.

    Args:
        has_driver: whether it is for a driver of the user's own, whose files may have any scheme.

    Raises:
        InvalidDeclaration: it has a password, or is no URL of a database; it is not shown.
    """
    text = url if isinstance(url, str) else ""
    file = None if has_driver else _FILE.fullmatch(text)
    if file is not None:
        return Address(file[1], name=file[2])
    found = (_FILE_OF_DRIVER.fullmatch(text) if has_driver else None) or _SERVER.fullmatch(text)
    if found is None:
        raise InvalidDeclaration(
            _OWNER,
            "was given a URL with a password, or none of a database",
            f'{_EXAMPLES}; a password goes into password=fp.Secret("NAME").',
        )
    options = dict(parse_qsl(found["options"] or "", keep_blank_values=True))
    if any(_PASSWORD_WORDS.search(key) for key in options):
        raise InvalidDeclaration(
            _OWNER, "has a password among the options of its URL", 'Give password=fp.Secret("NAME").'
        )
    parts = found.groupdict()
    user, port = parts.get("user"), parts.get("port")
    return Address(
        scheme=found["scheme"],
        user=None if user is None else unquote(user),
        host=parts.get("host", ""),
        port=None if port is None else int(port),
        name=unquote(found["name"] or ""),
        options=options,
    )
