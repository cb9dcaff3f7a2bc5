"""Where the server may listen without asking anybody who they are: on this machine, and nowhere else."""

import socket

import pytest

from feature_platform.access import check_bind
from feature_platform.ground.errors import BindRefused

BEYOND = ["0.0.0.0", "::", "[::]", "", "0", "0x0", "10.0.0.1", "192.168.1.2", "169.254.0.1", "fe80::1", "8.8.8.8"]
ODD = ["128.0.0.1", "126.255.255.255", "::2", "a\0b", "127.0.0.1\n", " ", "x" * 300, "*", "127.0.0.1,10.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.255.254", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_authentication(host: str) -> None:
    check_bind(host, has_authentication=False)


@pytest.mark.parametrize("host", BEYOND + ODD)
def test_beyond_loopback_is_refused_without_authentication(host: str) -> None:
    with pytest.raises(BindRefused, match="without authentication: others can reach it there"):
        check_bind(host, has_authentication=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0"])
def test_where_access_is_required_no_host_will_do_without_authentication(host: str) -> None:
    with pytest.raises(BindRefused, match="the setting `access_required` is on"):
        check_bind(host, has_authentication=False, required=True)
    check_bind(host, has_authentication=True, required=True)


@pytest.mark.parametrize("host", ["127.0.0.1", *BEYOND])
def test_with_authentication_any_host_will_do(host: str) -> None:
    check_bind(host, has_authentication=True)


@pytest.mark.parametrize(
    ("addresses", "refused"),
    [
        (["127.0.0.1"], False),
        (["127.0.0.1", "::1"], False),
        (["127.0.0.1", "10.0.0.1"], True),
        (["::ffff:10.0.0.1"], True),
        ([], True),
    ],
)
def test_a_name_is_loopback_when_all_it_resolves_to_is(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], refused: bool
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    if refused:
        with pytest.raises(BindRefused):
            check_bind("features.internal", has_authentication=False)
    else:
        check_bind("features.internal", has_authentication=False)


def test_a_name_that_does_not_resolve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(BindRefused):
        check_bind("no.such.name", has_authentication=False)
