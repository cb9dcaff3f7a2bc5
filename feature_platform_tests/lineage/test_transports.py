"""Events go out by what is configured for OpenLineage, are tried once, and every failure is one clear reason."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.transport import Config, Transport

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.lineage.configuration import LineageSettings, lineage_settings_of
from feature_platform.lineage.transports import open_sender
from feature_platform_tests.lineage.servers import closed, enter_bare_folder, marquez, silent

KEY = "hunter2"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder and a home without anything of OpenLineage, and an environment that is left as it was."""
    enter_bare_folder(tmp_path, monkeypatch)
    yield tmp_path
    assert not [each for each in os.environ if each.startswith("OPENLINEAGE__TRANSPORT__TRANSPORTS__DEFAULT")]


class Talkative(Transport):
    """A transport of a user that takes nothing and says too much."""

    kind = "talkative"
    config_class = Config

    def __init__(self, config: Config) -> None:
        pass

    def emit(self, event: Any) -> None:
        raise RuntimeError(f"token {KEY} is refused")


def event() -> RunEvent:
    run = Run("0b7e4b52-6d0e-4a5c-9b0e-0f0f5ad1c3f1")
    return RunEvent(
        eventType=RunState.START, eventTime="2024-01-01T00:00:00Z", run=run, job=Job("shop", "a"), producer="urn:x"
    )


def send(**settings: Any) -> str | None:
    """Send one event; why it was not taken."""
    with open_sender(lineage_settings_of(settings)) as sender:
        return sender.send(event())


def http(address: str, **words: Any) -> dict[str, Any]:
    return {"type": "http", "url": address, **words}


def test_the_setting_names_a_transport() -> None:
    with marquez() as server:
        assert send(transport=http(server.address, auth={"type": "api_key", "apiKey": KEY})) is None

        [posted] = server.posted
        assert (posted.path, posted.headers["authorization"]) == ("/api/v1/lineage", f"Bearer {KEY}")
        assert server.events[0]["job"] == {"facets": {}, "name": "a", "namespace": "shop"}


def test_the_standard_variables_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with marquez() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.address)
        monkeypatch.setenv("OPENLINEAGE_API_KEY", KEY)
        monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "lineage")
        assert send() is None
        assert [(each.path, each.headers["authorization"]) for each in server.posted] == [("/lineage", f"Bearer {KEY}")]


def test_the_key_of_a_server_may_be_in_a_variable_beside_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__AUTH", json.dumps({"type": "api_key", "apiKey": KEY}))
    with marquez() as server:
        assert send(transport=http(server.address)) is None
        assert server.posted[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_file_of_the_client_names_one_and_the_setting_wins(folder: Path) -> None:
    with marquez() as other, marquez() as server:
        (folder / "openlineage.yml").write_text(f"transport: {{type: http, url: '{other.address}'}}\n")
        assert send() is None
        assert send(transport=http(server.address)) is None
        assert (len(other.posted), len(server.posted)) == (1, 1)


def test_a_file_gets_a_line_for_each_event(folder: Path) -> None:
    words = {"type": "file", "log_file_path": str(folder / "events.ndjson"), "append": True}
    assert [send(transport=words), send(transport=words)] == [None, None]
    assert len([json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]) == 2

    told = send(transport={**words, "log_file_path": str(folder / "missing" / "events.ndjson")})
    assert told is not None
    assert "No such file or directory" in told


def test_the_console_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert send(transport={"type": "console"}) is None
    assert json.loads(capsys.readouterr().out)["eventType"] == "START"


def test_nothing_configured_is_one_sentence_that_says_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidDeclaration, match=r"Lineage has nowhere to go\. Set OPENLINEAGE_URL.*--print shows"):
        send()
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    with pytest.raises(InvalidDeclaration, match="switched off by OPENLINEAGE_DISABLED"):
        send(transport={"type": "console"})


@pytest.mark.parametrize("kind", ["http", "async_http"])
def test_a_dead_server_costs_one_quick_try(kind: str) -> None:
    with closed() as address:
        began = time.monotonic()
        assert send(transport=http(address, type=kind, retry={"total": 50})) == "no connection: Connection refused"
        assert time.monotonic() - began < 2  # the client's own tries take 9 s


def test_a_server_that_never_answers_costs_the_time_that_is_set() -> None:
    with silent() as address:
        began = time.monotonic()
        assert send(transport=http(address, timeout=60), timeout=0.3) == "it did not answer in time"
        assert 0.3 <= time.monotonic() - began < 5


@pytest.mark.parametrize("status", [401, 422, 503])
def test_a_server_that_refuses_is_told_by_its_status(status: int) -> None:
    with marquez() as server:
        server.answers = [(status, {})]
        assert send(transport=http(server.address)) == f"it answered with status {status}"
        assert len(server.posted) == 1


def test_several_transports_must_all_take_an_event(folder: Path) -> None:
    file = {"type": "file", "log_file_path": str(folder / "events"), "append": True}
    with closed() as address:
        both = {"type": "composite", "transports": {"a": http(address), "b": file}}
        assert send(transport=both) == "no connection: Connection refused"
        either = {**both, "continue_on_success": False}
        assert send(transport=either) is None


def test_no_failure_shows_a_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed() as address:
        words = http(address.replace("//", f"//ann:{KEY}@"), auth={"type": "api_key", "apiKey": KEY})
        with open_sender(LineageSettings(transport=words)) as sender:
            assert KEY not in f"{sender.place} {sender.send(event())} {LineageSettings(transport=words)}"
            assert sender.place == address
    talkative = {"type": f"{__name__}.{Talkative.__name__}", "token": KEY}
    assert send(transport=talkative) == "token *** is refused"
    for wrong in (
        {"type": "pigeon.Transport", "loft": KEY},
        {"type": "http", "url": KEY, "auth": {"type": "api_key", "apiKey": KEY}},
        {"type": "http", "auth": {"type": "api_key", "apiKey": KEY}},
    ):
        with pytest.raises(InvalidDeclaration, match="transport of lineage cannot be used") as caught:
            send(transport=wrong)
        assert KEY not in str(caught.value)
    (folder / "openlineage.yml").write_text(f"transport: {{apiKey: {KEY}")
    with pytest.raises(InvalidDeclaration, match="settings of OpenLineage cannot be read") as caught:
        send()
    assert KEY not in str(caught.value)


def test_nothing_of_the_sending_process_goes_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB_PASSWORD", KEY)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = https://ann:{KEY}@git.example/shop\n')
    (folder / "openlineage.yml").write_text("facets: {environment_variables: [SHOP_DB_PASSWORD]}\n")
    with marquez() as server:
        assert send(transport=http(server.address)) is None
        assert KEY.encode() not in server.posted[0].body
        assert set(server.events[0]["run"]["facets"]) == {"tags"}
        assert server.events[0]["job"]["facets"] == {}


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ({"uri": KEY}, r"`lineage\.uri` is not known"),
        ({"namespace": 3}, r"`lineage\.namespace` is no text"),
        ({"transport": {"url": KEY}}, r"`lineage\.transport` names no type"),
        ({"transport": KEY}, r"`lineage\.transport` names no type"),
        ({"timeout": KEY}, r"`lineage\.timeout` is no number"),
        ({"timeout": 0}, r"`lineage\.timeout` is no number"),
        ({"timeout": True}, r"`lineage\.timeout` is no number"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(setting: dict[str, Any], found: str) -> None:
    with pytest.raises(InvalidDeclaration, match=found) as caught:
        lineage_settings_of(setting)
    assert KEY not in str(caught.value)


def test_the_namespace_is_the_setting_or_the_variable_or_made_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LineageSettings().namespace_of("shop") == "feature_platform.shop"
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "team")
    assert LineageSettings().namespace_of("shop") == "team"
    assert LineageSettings("own").namespace_of("shop") == "own"
