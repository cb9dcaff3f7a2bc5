"""Object stores as places of files: S3 and what speaks its language, Google Cloud Storage, Azure.

Polars and deltalake read them by themselves; what is there is listed by obstore (the extra `objects`).
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.util import find_spec
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol, cast

from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration, PackageMissing, SourceUnreadable
from feature_platform.ground.secret import Secret, hide_secrets
from feature_platform.parts.sources.base import reason_of
from feature_platform.parts.sources.found import is_leftover
from feature_platform.parts.sources.places import FileFacts, Place, StoredPath

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore as Client

_URL = re.compile(r"((s3|s3a|gs|az|abfss?|azure)://|abfss?://[^/?#@:]+@)([^/?#@:]+)(/[^?#]*)?")
_GLOB = re.compile(r"[*?\[]")
_SECRET = re.compile("secret|token|password|sas|key")
_NO_SECRET = ("_id", "_file", "_enabled")  # what only goes with a secret ends so
_ALLOW_HTTP = re.compile(r"(aws_|google_|azure_)?allow_http")
_REMEDY = "Check the address, the keys and whether the place can be reached from here."


@dataclass(frozen=True, init=False)
class ObjectStore(Place):
    """An object store by its URL, the options of its service, and the names of the variables that hold its secrets.

    A path in it is written `store / "events/*.parquet"`, and every connector to files takes one, as `Delta` does.

    Args:
        url: a bucket or container, and perhaps a folder in it: `s3://lake`, `gs://lake/raw`, `az://lake`,
            `abfss://lake@account.dfs.core.windows.net`. Before `@` only Azure has something: the container.
        options: as object_store names them, such as `aws_region` or `aws_endpoint_url`; see
            https://docs.rs/object_store/latest/object_store/aws/enum.AmazonS3ConfigKey.html. What is not said comes
            from the environment (`AWS_REGION`, ...), or the machine's role.
        secrets: options whose value is a secret.

    >>> lake = ObjectStore("s3://lake", secrets={"aws_secret_access_key": Secret("LAKE_KEY")})
    >>> print(lake / "events/*.parquet")
    s3://lake/events/*.parquet
    """

    is_near = False

    url: str
    options: Mapping[str, str]
    secrets: Mapping[str, Secret] = field(repr=False)

    def __init__(
        self,
        url: str,
        *,
        options: Mapping[str, str] | None = None,
        secrets: Mapping[str, Secret] | None = None,
    ) -> None:
        if not isinstance(url, str) or not _URL.fullmatch(url):
            raise InvalidDeclaration(
                "An object store",
                "has a URL that names no bucket",
                'Write "s3://bucket", or "abfss://container@account.dfs.core.windows.net", and keys as `secrets`.',
            )
        if any(not isinstance(value, Secret) for value in (secrets or {}).values()):
            raise InvalidDeclaration(
                f"Object store `{url}`", "has a secret that is no fp.Secret", 'Write fp.Secret("NAME_OF_A_VARIABLE").'
            )
        open_keys = [name for name in map(str, options or {}) if _is_secret(name.lower())]
        if open_keys:
            raise InvalidDeclaration(
                f"Object store `{url}`",
                f"has the secret `{open_keys[0]}` among its options",
                f'Give its variable: secrets={{"{open_keys[0]}": fp.Secret("NAME_OF_A_VARIABLE")}}.',
            )
        object.__setattr__(self, "url", url.rstrip("/"))
        object.__setattr__(self, "options", dict(options or {}))
        object.__setattr__(self, "secrets", dict(secrets or {}))

    def __truediv__(self, path: str) -> StoredPath:
        return StoredPath(self, self.url) / path

    def __hash__(self) -> int:
        return hash(self.url)

    def storage_options(self, owner: str) -> dict[str, str]:
        return {**self.options, **{name: secret.reveal(owner) for name, secret in self.secrets.items()}}

    def hide_secrets(self, text: str) -> str:
        return hide_secrets(text, [secret.reveal(self.url) for secret in self.secrets.values()])

    def is_folder(self, path: str, files: Container[str]) -> bool:
        return not _GLOB.search(path) and path not in files

    def list_files(self, path: str, owner: str, endings: Sequence[str]) -> dict[str, FileFacts]:
        root, key = _split(path)
        require_obstore()
        try:
            found = dict(self._list_objects(root, key, endings, owner))
        except _listing_errors() as error:
            raise SourceUnreadable(owner, path, self.hide_secrets(reason_of(error)), _REMEDY) from None
        if not found:
            reason = f"there is no such file, nor one below it that ends in {', '.join(endings)}"
            raise SourceUnreadable(owner, path, reason, "Check the path; `*` matches several files.")
        names = [key] if key in found else sorted(found, key=lambda name: name.split("/"))
        return {f"{root}/{name}": found[name] for name in names}

    def open(self, file: str) -> BufferedIOBase:
        require_obstore()
        import obstore

        root, key = _split(file)
        return BufferedReader(_Reader(obstore.open_reader(self._client(root, file), key)))

    def _list_objects(self, root: str, key: str, endings: Sequence[str], owner: str) -> Iterator[tuple[str, FileFacts]]:
        """Yield the objects of a key: the one of that name, those that match a pattern, or those below a folder."""
        import obstore

        client, whole = self._client(root, owner), _GLOB.search(key)
        if key and not whole:
            with suppress(FileNotFoundError):  # a listing has what lies below a name, and not what has the name
                yield key, _facts_of(obstore.head(client, key))
                return
        prefix = key[: whole.start()].rpartition("/")[0] if whole else key
        for some in obstore.list(client, prefix=prefix or None):
            for each in some:
                if counts(each["path"], key, endings, is_pattern=whole is not None):
                    yield each["path"], _facts_of(each)

    def _client(self, root: str, owner: str) -> "Client":
        from obstore.store import from_url

        options = self.storage_options(owner)
        config = {name: value for name, value in options.items() if not _ALLOW_HTTP.fullmatch(name)}
        over_http = any(value.lower() == "true" for name, value in options.items() if name not in config)
        connect = cast("Callable[..., Client]", from_url)  # which options there are depends on the scheme
        return connect(root, config=config, client_options={"allow_http": True} if over_http else None)


class _Seekable(Protocol):
    def read(self, size: int | None = None, /) -> object: ...
    def seek(self, offset: int, whence: int = ..., /) -> int: ...
    def tell(self) -> int: ...


class _Reader(RawIOBase):
    """An object as a raw stream, of which only what is asked for is fetched."""

    def __init__(self, reader: _Seekable) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io hands in
        content = bytes(self._reader.read(len(buffer)))  # type: ignore[call-overload]  # obstore's own kind of bytes
        buffer[: len(content)] = content
        return len(content)


def _facts_of(found: "ObjectMeta") -> FileFacts:
    mark = found["version"] or found["e_tag"] or found["last_modified"].isoformat()
    written = clock.microsecond_of(found["last_modified"])
    return FileFacts(found["size"], f"{found['size']}-{mark}", mark, written)


def require_obstore() -> None:
    """Raise PackageMissing if the extra `objects` is not installed."""
    if find_spec("obstore") is None:
        raise PackageMissing("A source in an object store", "obstore", "objects")


def _is_secret(option: str) -> bool:
    """Tell whether an option holds a secret, by its name."""
    return _SECRET.search(option) is not None and not option.endswith(_NO_SECRET)


def _split(uri: str) -> tuple[str, str]:
    """Return the bucket of an address, and the key in it."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key.strip("/")


def counts(name: str, key: str, endings: Sequence[str], *, is_pattern: bool) -> bool:
    """Tell whether an object is data of a path; the rules are those of `data_files`."""
    parts, wanted = name.split("/"), key.split("/") if key else []
    if name == key:
        return True
    if is_pattern:
        return (
            len(parts) == len(wanted)
            and all(map(_matches, parts, wanted))
            and not is_leftover(PurePosixPath(name), key)
        )
    hidden = any(part.startswith((".", "_")) for part in parts[len(wanted) :])
    return parts[: len(wanted)] == wanted and not hidden and name.lower().endswith(tuple(endings))


def _matches(part: str, pattern: str) -> bool:
    """Tell whether a part of a key matches one of a pattern; a dot at the beginning must be written."""
    return fnmatchcase(part, pattern) and part.startswith(".") <= pattern.startswith(".")


def _listing_errors() -> tuple[type[BaseException], ...]:
    from obstore.exceptions import BaseError

    return (BaseError, OSError, ValueError)
