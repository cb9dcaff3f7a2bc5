"""Settings come from the nearest `pyproject.toml` and the environment, which wins."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.settings import Settings, loaded_settings, project_folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write a `pyproject.toml` and stand in a folder below it."""

    def stand(text, below="src/shop"):
        (tmp_path / "pyproject.toml").write_text(text)
        (tmp_path / below).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / below)
        return tmp_path

    for name in ("ROOT", "STORAGE_OPTIONS", "RETENTION", "ONLINE"):
        monkeypatch.delenv(f"FEATURE_PLATFORM_{name}", raising=False)
    return stand


def test_a_laptop_needs_none(project):
    folder = project("[project]\nname = 'shop'\n")
    settings = Settings()
    assert settings.absolute_root == str(folder / ".feature_platform")
    assert settings.store_arguments() == {
        "root": str(folder / ".feature_platform"), "storage_options": {}, "retention": "365d",
    }  # fmt: skip


def test_the_table_of_the_nearest_project_file_is_read(project):
    folder = project("[tool.feature_platform]\nroot = 'data/store'\nretention = '30d'\n")
    settings = Settings()
    assert settings.absolute_root == str(folder / "data/store")
    assert settings.retention == "30d"
    assert project_folder() == folder


def test_the_environment_wins(project, monkeypatch):
    project("[tool.feature_platform]\nroot = 'data'\nretention = '30d'\n")
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", "s3://bucket/features")
    monkeypatch.setenv("FEATURE_PLATFORM_STORAGE_OPTIONS", '{"AWS_REGION": "eu-north-1"}')
    settings = Settings()
    assert settings.absolute_root == "s3://bucket/features"
    assert settings.storage_options == {"AWS_REGION": "eu-north-1"}
    assert settings.retention == "30d"


def test_what_is_passed_wins_over_all(project, monkeypatch, tmp_path):
    project("[tool.feature_platform]\nroot = 'data'\n")
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", "elsewhere")
    assert Settings(root=str(tmp_path / "here")).absolute_root == str(tmp_path / "here")


def test_a_home_folder_is_the_users_own(project, monkeypatch, tmp_path):
    project("")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings(root="~/store").absolute_root == str(tmp_path / "store")


def test_without_a_project_file_the_root_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATURE_PLATFORM_ROOT", raising=False)
    assert Settings().absolute_root == str(tmp_path / ".feature_platform")


def test_a_misspelt_setting_is_refused_by_name_without_its_value(project):
    project("[tool.feature_platform]\nstorage_option = {AWS_SECRET_ACCESS_KEY = 'hunter2'}\n")
    with pytest.raises(ValidationError, match="storage_option") as raised:
        Settings()
    assert "hunter2" not in str(raised.value)


def test_secrets_are_not_in_the_repr_and_settings_do_not_change(project):
    project("[tool.feature_platform]\nstorage_options = {AWS_SECRET_ACCESS_KEY = 'hunter2'}\n")
    settings = Settings()
    assert settings.storage_options == {"AWS_SECRET_ACCESS_KEY": "hunter2"}
    assert "hunter2" not in f"{settings!r} {settings}"
    with pytest.raises(ValidationError, match="frozen"):
        settings.root = "elsewhere"


def test_a_refused_setting_is_one_clear_error_without_its_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.feature_platform]\nsecret_kee = "hunter2"\n')

    with pytest.raises(InvalidDeclaration, match=r"secret_kee.*Known settings: root") as caught:
        loaded_settings()

    assert "hunter2" not in str(caught.value)


def test_access_keys_are_below_a_local_root_and_below_the_project_of_any_other(
    project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project("")
    assert Settings().access_folder == tmp_path / ".feature_platform/access"
    assert Settings(root="data").access_folder == tmp_path / "data/access"
    assert Settings(root=f"file://{tmp_path}/data").access_folder == tmp_path / "data/access"
    assert Settings(root="s3://bucket/features").access_folder == tmp_path / ".feature_platform/access"


def test_an_identity_provider_is_configured_whole_or_not_at_all(project, tmp_path: Path) -> None:
    project("")
    wanted: dict[str, Any] = {
        "jwt_issuer": "https://issuer.example",
        "jwt_audience": "features",
        "jwks_url": "keys/jwks.json",
    }
    assert Settings().jwt_arguments() is None
    file = str(tmp_path / "keys/jwks.json")
    assert Settings(**wanted).jwt_arguments() == ("https://issuer.example", "features", file)
    remote = Settings(**{**wanted, "jwks_url": "https://a/b"}).jwt_arguments()
    assert remote is not None
    assert remote[2] == "https://a/b"
    for missing in wanted:
        with pytest.raises(InvalidDeclaration, match=f"Setting `{missing}` is missing"):
            Settings(**{**wanted, missing: None}).jwt_arguments()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "{folder}/.feature_platform/online"),
        ("root = 'data'", "{folder}/data/online"),
        ("root = 's3://bucket/features'", "{folder}/.feature_platform/online"),
        ("online = 'served'", "{folder}/served"),
        ("online = '/srv/served'", "/srv/served"),
        ("online = 'redis://:secret@host:6379/0'", "redis://:secret@host:6379/0"),
    ],
)
def test_the_online_store_is_beside_the_offline_one_or_where_it_is_said_to_be(project, text, address):
    folder = project(f"[tool.feature_platform]\n{text}\n")
    assert Settings().online_address == address.format(folder=folder)
    assert "secret" not in repr(Settings())
    assert "secret" not in repr(Settings().online_store())


def test_an_online_store_of_an_unknown_kind_is_one_clear_error(project):
    project("[tool.feature_platform]\nonline = 'carrier-pigeon://:secret@loft'\n")
    with pytest.raises(InvalidDeclaration, match="unknown kind") as caught:
        Settings().online_store()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("share", ["-0.1", "1.5", "all"])
def test_a_sample_of_requests_is_a_share(project, monkeypatch, share):
    project("")
    monkeypatch.setenv("FEATURE_PLATFORM_REQUEST_LOG_SAMPLE", share)
    with pytest.raises(InvalidDeclaration, match="request_log_sample"):
        loaded_settings()
