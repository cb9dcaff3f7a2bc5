"""Where the server may listen: without authentication on this machine only.

An address counts as this machine's only when it certainly is; a name only when all the addresses that it resolves to
are.
"""

import socket
from ipaddress import ip_address

from feature_platform.ground.errors import BindRefused


def check_bind(host: str, has_authentication: bool, *, required: bool = False) -> None:  # noqa: FBT001 - named by all
    """Refuse to listen where others can reach a server that does not ask who they are.

    Args:
        host: an address or a name; `0.0.0.0`, `::` and the empty text stand for every network of the machine.
        has_authentication: whether access keys or JWT are configured.
        required: whether authentication is needed on loopback, too.

    Raises:
        BindRefused: without authentication beyond loopback, or anywhere when it is required.

    >>> check_bind("127.0.0.1", False)
    >>> check_bind("0.0.0.0", True)
    >>> check_bind("0.0.0.0", False)
    Traceback (most recent call last):
    ...
    feature_platform.ground.errors.serving.BindRefused: ...
    """
    if not has_authentication and (required or not is_loopback(host)):
        raise BindRefused(host, required=required)


def is_loopback(host: str) -> bool:
    """Tell whether a host is only this machine: 127.0.0.0/8, ::1, or a name that resolves to such addresses only.

    >>> is_loopback("127.3.2.1"), is_loopback("::1"), is_loopback("10.0.0.1"), is_loopback("")
    (True, True, False, False)
    """
    bare = host.removeprefix("[").removesuffix("]")
    addresses = [bare] if _is_address(bare) else _addresses_of(bare)
    return bool(addresses) and all(ip_address(address).is_loopback for address in addresses)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _addresses_of(name: str) -> list[str]:
    """Return the addresses of a name; none if it has none.

    The empty name has none: it stands for every network.
    """
    if not name:
        return []
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None)]
    except (OSError, ValueError):  # ValueError: what cannot be a name, such as one with a NUL
        return []
