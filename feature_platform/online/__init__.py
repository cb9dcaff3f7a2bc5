"""Online stores: the newest values by key, for readers that need them at once.

The catalogue is `STORES`; each store is one file under the contract of `base`. A store is loaded when it is first used.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from feature_platform.ground.errors import InvalidDeclaration, PackageMissing
from feature_platform.online.base import OnlineStore, Reader

if TYPE_CHECKING:
    from feature_platform.online.lmdb import Lmdb
    from feature_platform.online.redis import Redis

__all__ = ["STORES", "Lmdb", "OnlineStore", "Reader", "Redis", "store_of"]

STORES: Mapping[str, tuple[str, ...]] = {
    "Lmdb": ("", "lmdb"),
    "Redis": ("redis", "rediss", "valkey", "valkeys", "unix"),
}
"""The stores, each in the module of its name, and how their addresses begin; a plain path is that of a folder."""


def store_of(address: str) -> OnlineStore:
    """Return the online store at an address: `redis://...` and its like, `lmdb:///path`, or the path of a folder.

    Raises:
        InvalidDeclaration: no store has addresses of this kind; the address, which may hold a password, is not shown.
        PackageMissing: the store needs a package that is not installed.

    >>> store_of("valkey://:secret@localhost:6379/0")
    Redis('valkey://localhost:6379/0')
    >>> store_of("lmdb:///srv/online") == store_of("/srv/online")
    True
    """
    scheme, separator, _ = address.partition("://")
    for name, schemes in STORES.items():
        if (scheme if separator else "") in schemes:
            return _load_class(name)(address)
    prefixes = ", ".join(f"`{scheme}://`" for schemes in STORES.values() for scheme in schemes if scheme)
    raise InvalidDeclaration("The online store", "has an address of an unknown kind", f"Write a folder, or {prefixes}.")


def _load_class(name: str) -> Callable[[str], OnlineStore]:
    store: Callable[[str], OnlineStore] = getattr(import_module(f"{__name__}.{name.lower()}"), name)
    return store


def __getattr__(name: str) -> object:
    """Load a store when it is first used, so that the packages of the other stores are not needed."""
    if name not in STORES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return _load_class(name)
    except PackageMissing as error:  # so that `hasattr` says no, and who uses it all the same reads why
        raise AttributeError(str(error)) from error
