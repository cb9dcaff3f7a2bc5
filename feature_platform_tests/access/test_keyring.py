"""The keyring: only the very token of a key that is valid now is known, whatever else a client sends."""

import string
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.access import Identity, Keyring, create_key, revoke_key
from feature_platform.access.keyring import LOOK_EVERY
from feature_platform.ground.errors import AccessKeysUnreadable
from feature_platform_tests.access.writer import NOW

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keyring, str]:
    """A keyring of two keys, and the token of the second."""
    folder = tmp_path_factory.mktemp("access")
    create_key(folder, "airport", ["admin"], NOW)
    _, token = create_key(folder, "airline", ["read:delay_v1"], NOW)
    return Keyring(folder), token


def test_a_token_is_known_as_text_and_as_bytes(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["read:delay_v1"], NOW)
    keyring = Keyring(tmp_path)

    for sent in (token, token.encode(), token):
        found = keyring.identify(sent, NOW, 0.0)
        assert found == Identity("airline", frozenset({"read:delay_v1"}), key.id)


def test_without_keys_nobody_is_known_until_one_is_made(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "access")
    assert not keyring.has_keys
    assert keyring.identify("fp_", NOW, 0.0) is None

    _, token = create_key(tmp_path / "access", "airline", ["push"], NOW)

    assert keyring.identify(token, NOW, LOOK_EVERY) is not None
    assert keyring.has_keys


def test_every_changed_letter_makes_a_token_unknown(known: tuple[Keyring, str]) -> None:
    keyring, token = known
    for place, letter in enumerate(token):
        for other in {"A", "_", "0", letter.swapcase()} - {letter}:
            assert keyring.identify(token[:place] + other + token[place + 1 :], NOW, 0.0) is None


def test_beginnings_ends_and_more_than_a_token_are_unknown(known: tuple[Keyring, str]) -> None:
    keyring, token = known
    for cut in range(len(token)):
        assert keyring.identify(token[:cut], NOW, 0.0) is None
        assert keyring.identify(token[cut + 1 :], NOW, 0.0) is None
    for sent in (token + "\0", token + "=", " " + token, token + "\n", token * 2, "Bearer " + token, token + " "):
        assert keyring.identify(sent, NOW, 0.0) is None
    assert keyring.identify(token, NOW, 0.0) is not None


def test_the_secret_of_one_key_does_not_fit_the_id_of_another(tmp_path: Path) -> None:
    first, one = create_key(tmp_path, "airline", ["push"], NOW)
    second, other = create_key(tmp_path, "airport", ["push"], NOW)
    mixed = f"fp_{second.id}_{one.removeprefix(f'fp_{first.id}_')}"

    assert len(mixed) == len(other)
    assert Keyring(tmp_path).identify(mixed, NOW, 0.0) is None


@given(sent=st.text(alphabet=st.characters(), max_size=80) | st.binary(max_size=80) | st.text(string.hexdigits + "_fp"))
def test_whatever_a_client_sends_is_unknown_and_no_error(known: tuple[Keyring, str], sent: str | bytes) -> None:
    keyring, token = known
    assert keyring.identify(sent, NOW, 0.0) is None
    long = sent.ljust(len(token), b"\0") if isinstance(sent, bytes) else sent.ljust(len(token), "\0")
    filled = long[: len(token)]
    assert keyring.identify(filled, NOW, 0.0) is None


@pytest.mark.parametrize("sent", ["\ud800" * 59, "é" * 59, b"\xff" * 59, "\0" * 59, "a" * 10_000_000, "", b""])
def test_odd_and_very_long_tokens_are_unknown(known: tuple[Keyring, str], sent: str | bytes) -> None:
    assert known[0].identify(sent, NOW, 0.0) is None


def test_a_key_is_valid_until_just_before_its_end(tmp_path: Path) -> None:
    end = NOW + timedelta(days=90)
    _, token = create_key(tmp_path, "airline", ["push"], NOW, end)
    keyring = Keyring(tmp_path)

    assert keyring.identify(token, end - MICROSECOND, 0.0) is not None
    assert keyring.identify(token, end, 0.0) is None
    assert keyring.identify(token, end + MICROSECOND, 0.0) is None


def test_a_revoked_key_is_refused_from_the_next_look_on_whatever_the_clock_says(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["push"], NOW)
    _, stays = create_key(tmp_path, "airport", ["push"], NOW)
    keyring = Keyring(tmp_path)
    assert keyring.identify(token, NOW, 10.0) is not None

    revoke_key(tmp_path, key.id, NOW + timedelta(days=365))

    assert keyring.identify(token, NOW, 10.0 + LOOK_EVERY) is None
    assert keyring.identify(stays, NOW, 10.0 + LOOK_EVERY) is not None
    assert Keyring(tmp_path).identify(token, NOW, 0.0) is None


def test_the_file_is_looked_at_once_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = create_key(tmp_path, "airline", ["push"], NOW)
    keyring, looks = Keyring(tmp_path), []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **more: looks.append(self) or stat(self, **more))

    for tenth in range(31):
        keyring.identify(token, NOW, tenth / 10)

    assert len(looks) == 4


def test_revoking_the_last_key_leaves_a_keyring_that_has_keys(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["push"], NOW)
    revoke_key(tmp_path, key.id, NOW)

    keyring = Keyring(tmp_path)

    assert keyring.has_keys
    assert keyring.identify(token, NOW, 0.0) is None


def test_a_damaged_file_lets_nobody_in_until_it_is_whole_again(tmp_path: Path) -> None:
    _, token = create_key(tmp_path, "airline", ["push"], NOW)
    keyring, file = Keyring(tmp_path), tmp_path / "keys.json"
    whole = file.read_bytes()
    assert keyring.identify(token, NOW, 0.0) is not None

    file.write_bytes(whole[:-20])
    for moment in (1.0, 1.1, 1.2, 2.5):
        with pytest.raises(AccessKeysUnreadable, match="damaged"):
            keyring.identify(token, NOW, moment)
    with pytest.raises(AccessKeysUnreadable):
        Keyring(tmp_path)

    file.write_bytes(whole)
    assert keyring.identify(token, NOW, 4.0) is not None


def test_a_file_that_is_gone_lets_nobody_in_and_opens_nothing(tmp_path: Path) -> None:
    _, token = create_key(tmp_path, "airline", ["push"], NOW)
    keyring = Keyring(tmp_path)
    assert keyring.identify(token, NOW, 0.0) is not None

    (tmp_path / "keys.json").unlink()

    for moment in (1.0, 1.1):
        with pytest.raises(AccessKeysUnreadable, match="is gone"):
            keyring.identify(token, NOW, moment)
    assert keyring.has_keys


def test_a_keyring_that_is_needed_reads_its_file_when_it_is_asked_and_never_takes_none_for_no_keys(
    tmp_path: Path,
) -> None:
    keyring = Keyring(tmp_path, needed=True)
    assert keyring.has_keys
    with pytest.raises(AccessKeysUnreadable, match="is gone"):
        keyring.identify(b"", NOW, 0.0)

    _, token = create_key(tmp_path, "airline", ["push"], NOW)

    assert keyring.identify(token, NOW, 0.1) is not None


def test_nothing_of_a_token_is_kept_in_memory_or_shown(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["push"], NOW)
    keyring = Keyring(tmp_path)
    found = keyring.identify(token, NOW, 0.0)
    secret = token.removeprefix(f"fp_{key.id}_")

    assert secret not in f"{keyring!r} {keyring} {found!r} {found}"
    assert secret not in repr(vars(keyring))


@pytest.mark.parametrize(
    ("granted", "allowed"),
    [
        ({"read:delay_v1"}, {"read:delay_v1"}),
        ({"read:*"}, {"read:delay_v1", "read:other", "read:*"}),
        ({"push"}, {"push"}),
        ({"admin"}, {"read:delay_v1", "read:other", "read:*", "push", "admin"}),
        ({"push", "read:other"}, {"push", "read:other"}),
        (set(), set()),
    ],
)
def test_an_identity_allows_what_it_was_granted_and_nothing_else(granted: set[str], allowed: set[str]) -> None:
    asked = {"read:delay_v1", "read:other", "read:*", "push", "admin"}
    identity = Identity("airline", frozenset(granted))

    assert {scope for scope in asked if identity.allows(scope)} == allowed


def test_a_wild_card_reads_and_does_not_push() -> None:
    assert not Identity("airline", frozenset({"read:*"})).allows("push")
    assert not Identity("airline", frozenset({"read:*"})).allows("admin")


@given(end=st.datetimes(), now=st.datetimes())
def test_validity_is_half_open(end: datetime, now: datetime) -> None:
    from feature_platform.access import AccessKey

    end, now = (each.replace(tzinfo=NOW.tzinfo) for each in (end, now))
    key = AccessKey("0" * 12, "a", ("push",), NOW, "0" * 64, end)
    assert key.is_valid(now) == (now < end)
