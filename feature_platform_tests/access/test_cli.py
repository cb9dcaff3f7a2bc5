"""`feature-platform keys`: the token alone on standard output, and one line where something cannot be."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from feature_platform.access import list_keys
from feature_platform.cli import keys
from feature_platform.cli.app import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command finds."""
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    return tmp_path / "store" / "access"


def said(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["keys", *words])


def refused(*words: str) -> str:
    """The one line of an error."""
    result = said(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    result = said(command, "--help")
    assert result.exit_code == 0
    assert f"Example: feature-platform keys {command}" in result.stdout


def test_without_a_command_the_help_lists_them() -> None:
    assert len(keys.app.registered_commands) == 3
    for command in ("create", "list", "revoke"):
        assert command in said().stdout


def test_create_prints_the_token_alone_and_the_rest_beside_it(folder: Path) -> None:
    result = said("create", "airline", "--scope", "read:delay_v1", "--scope", "push")

    assert result.exit_code == 0
    [key] = list_keys(folder)
    token = result.stdout.removesuffix("\n")
    assert token.startswith(f"fp_{key.id}_")
    assert len(token) == 59
    assert f"Key {key.id} for airline grants push, read:delay_v1 until it is revoked." in result.stderr
    assert token not in result.stderr
    assert (key.name, key.scopes, key.expires_at) == ("airline", ("push", "read:delay_v1"), None)


def test_a_key_may_end_some_days_after_it_was_made(folder: Path) -> None:
    assert said("create", "airline", "--scope", "push", "--expires", "90d").exit_code == 0

    [key] = list_keys(folder)
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days == 90


def test_list_tells_the_state_of_every_key_and_no_hash(folder: Path) -> None:
    for name, more in {"airline": [], "airport": ["--expires", "1d"], "gone [x]": []}.items():
        said("create", name, "--scope", "push", *more)
    *_, last = list_keys(folder)
    said("revoke", last.id)

    told = said("list").stdout

    lines = [line for line in told.splitlines() if "push" in line]
    assert [line.split()[0] for line in lines] == [key.id for key in list_keys(folder)]
    assert lines[0].rstrip().endswith("valid")
    assert "valid until" in lines[1]
    assert "gone [x]" in lines[2]
    assert "revoked 2" in lines[2]
    assert last.hash not in told


def test_list_without_keys_says_how_to_make_one_and_makes_no_folder(folder: Path) -> None:
    assert "There are no keys yet" in said("list").stdout
    assert not folder.exists()


def test_revoke_says_since_when(folder: Path) -> None:
    said("create", "airline", "--scope", "push")
    [key] = list_keys(folder)

    assert f"Key {key.id} for airline is revoked since" in said("revoke", key.id).stdout
    assert list_keys(folder)[0].revoked_at is not None


def test_what_cannot_be_is_one_line(folder: Path) -> None:
    assert "Access scope 'write' is not known" in refused("create", "airline", "--scope", "write")
    assert "Option `--expires` has the duration 'soon'" in refused(
        "create", "a", "--scope", "push", "--expires", "soon"
    )
    assert "has no access key `0123456789ab`" in refused("revoke", "0123456789ab")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keys.json").write_text("{")
    assert "it is damaged" in refused("list")
    assert "it is damaged" in refused("create", "airline", "--scope", "push")
