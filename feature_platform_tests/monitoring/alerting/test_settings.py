"""The settings of alerts: a table of the project file, with what the environment adds laid over it."""

import pytest

from feature_platform.monitoring.alerting import Policy, QuietHours
from feature_platform.parts.alert_channels import Email, Log, Webhook
from feature_platform.settings import loaded_settings

PROJECT = """
[tool.feature_platform.alerts]
budget = 3
quiet = "12:00-13:30 Europe/Stockholm"

[tool.feature_platform.alerts.channels.ops]
kind = "webhook"
url = "https://example.com/hook"
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ROOT", "ALERTS"):
        monkeypatch.delenv(f"FEATURE_PLATFORM_{name}", raising=False)
    return tmp_path / "pyproject.toml"


def test_a_laptop_needs_none(project):
    settings = loaded_settings()
    assert settings.alert_policy() == Policy()
    assert [type(each) for each in settings.alert_channels()] == [Log]


def test_secrets_of_the_environment_are_added_to_the_channels_of_the_file(project, monkeypatch):
    project.write_text(PROJECT)
    monkeypatch.setenv(
        "FEATURE_PLATFORM_ALERTS",
        '{"channels": {"ops": {"secret": "hunter2"},'
        ' "m": {"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d"]}}}',
    )
    settings = loaded_settings()
    mail, hook = settings.alert_channels()
    assert (type(mail), type(hook)) == (Email, Webhook)
    assert vars(hook)["_secret"] == "hunter2"
    policy = settings.alert_policy()
    assert isinstance(policy.quiet, QuietHours)
    assert policy.budget == 3
    assert "hunter2" not in f"{settings!r} {hook!r} {mail!r}"


def test_alerts_of_a_remote_root_are_on_this_machine(project, monkeypatch):
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", "s3://bucket/features")
    assert loaded_settings().alert_store().path == project.parent / ".feature_platform" / "alerts" / "alerts.db"
