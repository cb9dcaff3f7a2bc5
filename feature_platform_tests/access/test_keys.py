"""Access keys in their file: no change is lost, no secret is kept, and damage is never taken for "no keys"."""

import os
import signal
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from feature_platform.access import create_key, list_keys, revoke_key
from feature_platform.ground.errors import (
    AccessKeysNotWritten,
    AccessKeysUnreadable,
    InvalidDeclaration,
    UnknownName,
    UnknownScope,
)
from feature_platform_tests.access.writer import KEYS, NOW
from feature_platform_tests.racing import await_ready, start_together

LATER = NOW + timedelta(hours=1)
WRITER = [sys.executable, "-m", "feature_platform_tests.access.writer"]


def test_a_folder_that_is_not_there_holds_no_keys_and_asking_makes_none(tmp_path: Path) -> None:
    assert list_keys(tmp_path / "access") == ()
    assert not (tmp_path / "access").exists()


def test_a_key_is_kept_as_it_was_made_and_its_token_names_it(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["read:delay_v1", "push", "push"], NOW, LATER)

    assert list_keys(tmp_path) == (key,)
    assert (key.name, key.scopes, key.created_at) == ("airline", ("push", "read:delay_v1"), NOW)
    assert (key.expires_at, key.revoked_at) == (LATER, None)
    assert token.startswith(f"fp_{key.id}_")
    assert len(token) == 59


def test_keys_are_listed_in_the_order_they_were_made_and_differ(tmp_path: Path) -> None:
    made = [create_key(tmp_path, "same name", ["admin"], NOW) for _ in range(5)]

    assert list_keys(tmp_path) == tuple(key for key, _ in made)
    assert len({key.id for key, _ in made}) == len({token for _, token in made}) == 5


def test_times_of_other_zones_are_kept_in_utc(tmp_path: Path) -> None:
    tokyo = datetime(2024, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))

    create_key(tmp_path, "airline", ["push"], tokyo)

    assert '"2024-01-01T00:00:00Z"' in (tmp_path / "keys.json").read_text()


def test_no_secret_is_in_the_file_the_key_or_its_repr(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["push"], NOW)
    secret = token.removeprefix(f"fp_{key.id}_")

    for text in (repr(key), str(key), repr(list_keys(tmp_path)), *(file.read_text() for file in tmp_path.iterdir())):
        assert secret not in text
    assert key.hash not in repr(key)


def test_folder_and_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "access"
    before = os.umask(0)
    try:
        create_key(folder, "airline", ["push"], NOW)
    finally:
        os.umask(before)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert sorted(file.name for file in folder.iterdir()) == ["keys.json", "keys.lock"]


@pytest.mark.parametrize(
    "scope", ["", "read", "read:", "read:a b", "read:a/b", "read:*x", "write", "Admin", "push\n", " push", "read:\0"]
)
def test_a_scope_that_there_is_not_is_refused_and_nothing_is_made(tmp_path: Path, scope: str) -> None:
    with pytest.raises(UnknownScope, match=r"is not known\. Grant one or more of `read:<service>`"):
        create_key(tmp_path / "access", "airline", ["push", scope], NOW)
    assert not (tmp_path / "access").exists()


def test_a_key_that_grants_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownScope):
        create_key(tmp_path, "airline", [], NOW)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0", "\x1b[31m", "a" * 101])
def test_a_name_that_cannot_be_shown_in_a_log_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidDeclaration, match="cannot be shown in a log"):
        create_key(tmp_path, name, ["push"], NOW)


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(microseconds=1)])
def test_a_key_that_would_have_expired_is_refused(tmp_path: Path, end: datetime) -> None:
    with pytest.raises(InvalidDeclaration, match="which is past"):
        create_key(tmp_path, "airline", ["push"], NOW, end)


def test_a_moment_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="without a zone"):
        create_key(tmp_path, "airline", ["push"], datetime(2024, 1, 1))


def test_revoking_changes_one_key_and_the_first_moment_stays(tmp_path: Path) -> None:
    first, _ = create_key(tmp_path, "airline", ["push"], NOW)
    second, _ = create_key(tmp_path, "airport", ["push"], NOW)

    assert revoke_key(tmp_path, first.id, LATER).revoked_at == LATER
    assert revoke_key(tmp_path, first.id, LATER + timedelta(days=1)).revoked_at == LATER
    revoked, untouched = list_keys(tmp_path)
    assert (revoked.revoked_at, untouched) == (LATER, second)


def test_an_unknown_id_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    key, _ = create_key(tmp_path, "airline", ["push"], NOW)

    with pytest.raises(UnknownName, match=rf"has no access key `0123456789ab`. It has: {key.id}."):
        revoke_key(tmp_path, "0123456789ab", NOW)


def test_a_whole_token_can_be_revoked_and_no_secret_comes_back_in_an_error(tmp_path: Path) -> None:
    key, token = create_key(tmp_path, "airline", ["push"], NOW)
    secret = token.removeprefix(f"fp_{key.id}_")

    for wrong in (f"fp_0123456789ab_{secret}", secret, f"x{token}", f"0123456789ab_{secret}\n"):
        with pytest.raises(UnknownName) as caught:
            revoke_key(tmp_path, wrong, NOW)
        assert secret not in str(caught.value)
    assert revoke_key(tmp_path, token, NOW).id == key.id


DAMAGED = {
    "empty": b"",
    "cut off": b'{"format": 1, "keys": [',
    "no keys": b'{"format": 1}',
    "null": b"null",
    "another format": b'{"format": 2, "keys": []}',
    "not UTF-8": b'{"format": 1, "keys": [{"name": "\xff"}]}',
    "deep": b'{"format": 1, "keys": [], "x":' + b"[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_an_error_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(content)

    with pytest.raises(AccessKeysUnreadable, match=r"keys\.json cannot be read: it is damaged"):
        list_keys(tmp_path)
    with pytest.raises(AccessKeysUnreadable):
        create_key(tmp_path, "airline", ["push"], NOW)
    with pytest.raises(AccessKeysUnreadable):
        revoke_key(tmp_path, "0123456789ab", NOW)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ('"id": "', '"id": "x'),
        ('"push"', '"root"'),
        ('Z"', '"'),
        ('"hash": "', '"hash": "0'),
        ('"name"', '"nom"'),
        ('"revoked_at"', '"revoked"'),
    ],
)
def test_a_key_that_makes_no_sense_is_damage(tmp_path: Path, found: str, instead: str) -> None:
    create_key(tmp_path, "airline", ["push"], NOW)
    file = tmp_path / "keys.json"
    assert found in file.read_text()
    file.write_text(file.read_text().replace(found, instead))

    with pytest.raises(AccessKeysUnreadable, match="damaged"):
        list_keys(tmp_path)


def test_two_keys_with_one_id_are_damage(tmp_path: Path) -> None:
    first, _ = create_key(tmp_path, "airline", ["push"], NOW)
    second, _ = create_key(tmp_path, "airline", ["push"], NOW)
    file = tmp_path / "keys.json"
    file.write_text(file.read_text().replace(second.id, first.id))

    with pytest.raises(AccessKeysUnreadable, match="two keys have one id"):
        list_keys(tmp_path)


def test_a_file_that_is_a_folder_is_an_error_not_no_keys(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()

    with pytest.raises(AccessKeysUnreadable, match="Is a directory"):
        list_keys(tmp_path)


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(AccessKeysNotWritten, match="The old ones stay"):
        create_key(tmp_path / "file" / "access", "airline", ["push"], NOW)


def test_two_processes_that_make_keys_at_once_lose_none(tmp_path: Path) -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([*WRITER, "racing", str(tmp_path)], **pipes) as one,
        subprocess.Popen([*WRITER, "racing", str(tmp_path)], **pipes) as other,
    ):
        await_ready((one, other))
        start_together((one, other))
        made = [each.communicate(timeout=300)[0].split() for each in (one, other)]

    assert [len(ids) for ids in made] == [KEYS, KEYS]
    assert sorted(key.id for key in list_keys(tmp_path)) == sorted([*made[0], *made[1]])


@pytest.mark.parametrize(
    ("task", "more"), [("killed_at_fsync", 0), ("killed_before_rename", 0), ("killed_after_rename", 1)]
)
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path, task: str, more: int) -> None:
    before, _ = create_key(tmp_path, "airline", ["push"], NOW)

    killed = subprocess.run([*WRITER, task, str(tmp_path)], check=False)

    assert killed.returncode == -signal.SIGKILL
    first, *rest = list_keys(tmp_path)
    assert (first, len(rest)) == (before, more)
    create_key(tmp_path, "next", ["push"], NOW)
    assert len(list_keys(tmp_path)) == 2 + more
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.json", "keys.lock"]


def test_a_full_disk_is_one_clear_error_and_the_old_keys_stay(tmp_path: Path) -> None:
    before, _ = create_key(tmp_path, "airline", ["push"], NOW)

    starved = subprocess.run([*WRITER, "starved", str(tmp_path)], capture_output=True, text=True, check=True)

    assert starved.stdout.startswith("AccessKeysNotWritten The access keys in ")
    assert list_keys(tmp_path) == (before,)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.json", "keys.lock"]


def test_file_and_folder_are_on_the_disk_when_a_change_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fsync = [], os.fsync

    def noting(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "keys.json").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noting)
    create_key(tmp_path, "airline", ["push"], NOW)

    assert synced == [(False, False), (True, True)]  # the file before it has its name, the folder after
