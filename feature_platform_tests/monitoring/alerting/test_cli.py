"""`feature-platform alerts`: a clear table, one line where something cannot be, and codes for scripts."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from feature_platform.cli import alerts
from feature_platform.cli.app import app
from feature_platform.monitoring.alerting import AlertStore, Evaluation, Policy, evaluate, tick
from feature_platform.offline import OfflineStore
from feature_platform.offline.accepted import read_accepted_levels
from feature_platform.settings import loaded_settings
from feature_platform_tests.monitoring.alerting.words import UPSTREAM, found, key
from feature_platform_tests.monitoring.watching.words import monitored, row
from feature_platform_tests.parts.alert_channels.receivers import Listening, Web


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch) -> AlertStore:
    """The store that the command finds, with a broken source and another alert."""
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    store = loaded_settings().alert_store()
    assert store.path == tmp_path / "store" / "alerts" / "alerts.db"
    findings = (
        found(kind="volume", size=0.01, measure="of the usual rows", evidence="12 rows"),
        found("views/delays", column="x[red]"),
        found("sources/weather", severity="critical"),
    )
    evaluate(store, Evaluation("1", findings), UPSTREAM, Policy(), datetime.now(UTC))
    return store


def said(*words: str, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["alerts", *words])
    assert result.exit_code == code, result.output
    return result.stdout


def refused(*words: str) -> str:
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["alerts", *words])
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", [each.name or each.callback.__name__ for each in alerts.app.registered_commands])
def test_the_help_of_every_command_has_an_example(command):
    assert f"Example: feature-platform alerts {command}" in said(command, "--help")


def test_list_shows_the_most_severe_first_and_below_each_what_it_speaks_for():
    lines = [line for line in said("list").splitlines() if "2013" in line]
    assert [line.split()[0] for line in lines] == [
        key("sources/weather")[:8], key(kind="volume")[:8], key("views/delays", column="x[red]")[:8],
    ]  # fmt: skip
    assert "  drift of x[red] in views/delays" in lines[2]
    assert "0.01 of the usual rows" in lines[1]
    assert "3 messages" not in said("list")
    assert "2 messages are still to be delivered" in said("list")


def test_list_is_json_for_programs_and_its_exit_code_says_whether_something_is_open(store):
    rows = [json.loads(line) for line in said("list", "--json").splitlines()]
    assert rows[0]["id"] == key("sources/weather")
    assert rows[2]["column"] == "x[red]"
    said("list", "--exit-code", code=3)
    for each in store.book().alerts:
        said("resolve", each)
    assert said("list", "--exit-code").startswith("Nothing is wrong.")
    assert "resolved" in said("list", "--all")


def test_list_shows_what_is_open_although_the_alert_that_speaks_for_it_has_ended(store):
    said("resolve", key(kind="volume"))
    assert store.alert(key("views/delays", column="x[red]")).root == key(kind="volume")
    assert "drift of x[red] in views/delays" in said("list")
    assert len(said("list", "--json").splitlines()) == 2
    assert "  drift of x[red] in views/delays" in said("list", "--all")


def test_an_alert_is_acknowledged_shown_and_resolved_by_the_beginning_of_its_id(store):
    name = key(kind="volume")[:6]
    assert "acknowledged by ann" in said("ack", name, "--by", "ann", "--note", "looking")
    shown = said("show", name)
    assert "What:         12 rows" in shown
    assert "Note: looking" in shown
    assert "not yet (0 attempts)" in shown
    assert "acknowledged by ann" in said("list")
    assert "Grouped with" in said("show", key("views/delays", column="x[red]"))
    assert "resolved by bob" in said("resolve", name, "--by", "bob")
    assert refused("ack", name) == (f"Error: Alert '{name}' has ended already. See `feature-platform alerts list`.")


def test_a_level_is_accepted_with_what_it_speaks_for_and_says_who_and_why(store):
    tables = OfflineStore(**loaded_settings().store_arguments())
    for asset in ("sources/flights", "views/delays"):
        monitored(tables, asset, row("volume", "2013-03-01"), row("volume", "2013-03-02"))
    drift = key("views/delays", column="x[red]")

    told = said("accept", key(kind="volume")[:6], "--by", "ann", "--note", "fewer flights", "--affected")

    assert [line.split(":")[0] for line in told.splitlines()] == [key(kind="volume"), drift]
    assert "accepted by ann" in said("list", "--all")
    assert "by ann, from 2013-03-01 on: fewer flights" in said("show", drift)
    assert "State:        accepted by ann: fewer flights" in said("show", drift)
    levels = read_accepted_levels(tables)
    assert {(each.kind, each.column, each.since, each.upto, each.by) for each in levels} == {
        ("volume", None, "2013-03-01", "2013-03-02", "ann"), ("drift", "x[red]", "2013-03-01", "2013-03-02", "ann"),
    }  # fmt: skip
    [message] = [each for each in tick(store, UPSTREAM, Policy(), datetime.now(UTC)) if "volume" in each.subject]
    assert message.subject.startswith("[critical] Over: volume" if message.severity == "critical" else "[warning] Over")
    assert refused("accept", key(kind="volume")) == (
        f"Error: Alert '{key(kind='volume')[:8]}' has ended already. See `feature-platform alerts list`."
    )


@pytest.mark.parametrize(
    ("kind", "partition", "why"),
    [
        ("run", "", "is about run, which has no level to accept"),
        ("dead", "", "is about views/hours, and the judged data is no longer there"),
    ],
)
def test_what_is_no_level_or_not_there_any_more_cannot_be_accepted(store, kind, partition, why):
    evaluate(
        store, Evaluation(kind, (found("views/hours", kind, partition=partition),)), {}, Policy(), datetime.now(UTC)
    )
    line = refused("accept", key("views/hours", kind))
    assert why in line
    assert f"alerts resolve {key('views/hours', kind)[:8]}" in line


def test_a_silence_is_listed_and_ended(store):
    assert "sources/weather" in said("silence", "sources/weather", "--for", "2d", "--reason", "new [b]station")
    [made] = store.book().silences
    assert (made.until - made.made_at).days == 2
    assert "silenced" in said("list")
    assert f"Silence {made.id}: sources/weather until" in said("list")
    assert "has ended" in said("unsilence", made.id)
    assert store.book().silences == ()


@pytest.mark.parametrize(
    "words", [("show", "nope"), ("ack", "nope"), ("resolve", "nope"), ("unsilence", "nope"), ("test", "nope"),
              ("silence", "a", "--for", "soon")],
)  # fmt: skip
def test_what_is_not_there_is_one_line(words):
    assert refused(*words).startswith("Error: ")


def test_a_channel_is_tried(monkeypatch):
    with Listening(Web()) as web:
        channels = {"ops": {"kind": "webhook", "url": web.url, "secret": "hunter2"}, "team": {"kind": "log"}}
        monkeypatch.setenv("FEATURE_PLATFORM_ALERTS", json.dumps({"channels": channels}))
        assert said("test") == "ops: delivered\nteam: delivered\n"
        web.answers = [(500, {})]
        said("test", "ops", code=1)
    assert json.loads(web.posted[0].body)["event"] == "test"
    assert "hunter2" not in repr(loaded_settings())


@pytest.mark.parametrize("wrong", ['{"budgett": 1}', '{"channels": {"ops": {"kind": "webhook", "url": "hunter2"}}}'])
def test_wrong_settings_are_refused_without_being_shown(wrong, monkeypatch):
    monkeypatch.setenv("FEATURE_PLATFORM_ALERTS", wrong)
    settings = loaded_settings()
    with pytest.raises(Exception, match=r"Setting `alerts\.") as refused:
        settings.alert_policy() and settings.alert_channels()
    assert "hunter2" not in str(refused.value)
