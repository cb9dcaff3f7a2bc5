"""The store of alerts loses nothing: not to a kill, a full disk, a race, a repeat, or a newer version."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from feature_platform.ground.errors import AlertStoreFailed, DeliveryFailed, UnknownAlert
from feature_platform.monitoring.alerting import (
    AlertStore,
    Book,
    Evaluation,
    Policy,
    acknowledge,
    database,
    deliver_pending,
    evaluate,
    evaluate_book,
    pending_messages,
    prometheus_text,
    resolve,
    silence,
    tick,
    unsilence,
)
from feature_platform.monitoring.alerting.delivering import CLAIM, LONGEST_PASS
from feature_platform.parts.alert_channels import Channel
from feature_platform_tests.monitoring.alerting.words import NOON, UPSTREAM, clean, days, event, found, hours, key
from feature_platform_tests.monitoring.alerting.writer import ALWAYS, ROUNDS

WRITER = [sys.executable, "-W", "error", "-m", "feature_platform_tests.monitoring.alerting.writer"]
POLICY = Policy()


class Box(Channel):
    """A channel of one process that takes messages, or fails as it is told."""

    kind = "box"

    def __init__(self, name="box", **options):
        super().__init__(name, options)
        self.taken, self.fails = [], []

    def send(self, message):
        if self.fails:
            raise self.fails.pop(0)
        self.taken.append(message)


@pytest.fixture
def store(tmp_path) -> AlertStore:
    return AlertStore(tmp_path / "alerts")


def looked(store, name, *findings, now=NOON, checked=()):
    return evaluate(store, Evaluation(name, findings, tuple(checked)), UPSTREAM, POLICY, now)


def test_reading_makes_no_file(store):
    assert store.book() == Book()
    assert (pending_messages(store).count, store.history("x"), store.messages_about("x")) == (0, (), ())
    assert deliver_pending(store, [Box()], NOON).pending == 0
    assert not store.path.exists()


def test_the_store_remembers_what_the_pure_function_says(store):
    steps = [
        (NOON, (found(), found("views/delays", column="x\n")), ()),
        (hours(1), (found(severity="info", kind="volume", size=1.5, causes=("a", "b")),), ()),
        (hours(2), (found("sources/weather", severity="critical"),), (clean(),)),
        (days(8), (), (clean(partition="2013-03-04"),)),
        (days(9), (found(partition="2013-03-09"),), ()),
    ]
    silence(store, "sources/weather", hours(5), NOON, reason="known")
    book = store.book()
    for number, (now, findings, checked) in enumerate(steps):
        evaluation = Evaluation(str(number), findings, checked)
        book, messages = evaluate_book(book, evaluation, UPSTREAM, POLICY, now)
        assert evaluate(store, evaluation, UPSTREAM, POLICY, now) == messages
        assert store.book() == book
    assert [each.evaluation for each in store.history(key())] == ["4", "0"]
    assert store.history(key(kind="volume"))[0].finding == steps[1][1][0]


def test_an_evaluation_that_is_repeated_changes_nothing(store):
    assert [event(each) for each in looked(store, "1", found())] == ["opened drift in sources/flights"]
    looked(store, "2", checked=[clean()])
    before = store.book()

    assert looked(store, "2", checked=[clean()], now=hours(1)) == ()
    assert store.book() == before
    assert looked(store, "1", found("sources/weather"), now=hours(1)) == ()
    assert store.book() == before


def test_file_and_folder_are_for_their_owner_only(store):
    looked(store, "1", found())
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("after", [0, 12])
def test_a_killed_writer_leaves_whole_evaluations_with_their_messages(store, after):
    with subprocess.Popen([*WRITER, "rounds", store.path.parent], stdout=subprocess.PIPE, text=True) as writer:
        said = [writer.stdout.readline() for _ in range(after + 1)]
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.readlines()

    alerts, numbers = store.book().alerts, [int(line) for line in said if line.endswith("\n")]
    assert len(numbers) <= len(alerts) <= len(numbers) + 1  # one may have been on the disk and not yet said
    assert {f"s/{number}" for number in numbers} <= {each.finding.asset for each in alerts.values()}
    assert pending_messages(store).count == len(alerts)
    assert all(len(store.history(each)) == 1 for each in alerts)
    rest = found("s/next", severity="critical")
    assert len(evaluate(store, Evaluation("next", (rest,)), {}, ALWAYS, NOON)) == 1
    box = Box()
    for _ in range(1 + len(alerts) // 50):
        deliver_pending(store, [box], NOON)
    assert {each.about[0] for each in box.taken} == {*alerts, rest.fingerprint}


def test_a_message_whose_sender_was_killed_goes_out_again_with_the_same_key(store):
    looked(store, "1", found())

    killed = subprocess.run([*WRITER, "killed_when_sent", store.path.parent], stdout=subprocess.PIPE, text=True)

    assert killed.returncode == -signal.SIGKILL
    box = Box("log")
    assert deliver_pending(store, [box], hours(0)).pending == 1  # somebody may still be sending it
    assert box.taken == []
    assert deliver_pending(store, [box], hours(CLAIM / 3600)).delivered == 1
    assert [each.key for each in box.taken] == killed.stdout.split()


def test_two_writers_at_once_lose_nothing(store):
    started = [
        subprocess.Popen(
            [*WRITER, "racing", store.path.parent, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "ab"
    ]
    for each in started:
        assert each.stdout.readline() == "ready\n"
    for each in started:
        each.stdin.write("\n")
        each.stdin.flush()
    assert [each.communicate()[0].count("\n") for each in started] == [ROUNDS, ROUNDS]
    assert len(store.book().alerts) == pending_messages(store).count == 2 * ROUNDS


def test_a_store_that_another_process_makes_while_its_version_is_read_is_no_foreign_database(store, monkeypatch):
    connect, other = database._connect, AlertStore(store.path.parent)
    made: list[str] = []

    def make_meanwhile(statement):
        if "user_version" in statement and not made:
            made.append(statement)
            looked(other, "1", found())

    def connect_and_trace(path, wait):
        connection = connect(path, wait)
        if not made:
            connection.set_trace_callback(make_meanwhile)
        return connection

    monkeypatch.setattr(database, "_connect", connect_and_trace)
    looked(store, "2", found())
    assert made
    assert len(store.book().alerts) == 1


def test_a_full_disk_is_one_clear_error_and_what_was_written_stays(store):
    starved = subprocess.run([*WRITER, "starved", store.path.parent], capture_output=True, text=True, check=True)

    *numbers, error = starved.stdout.splitlines()
    assert error.startswith("AlertStoreFailed The alerts in ")
    assert len(store.book().alerts) == pending_messages(store).count == len(numbers) > 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"no database" * 500), "file is not a database"),
        (lambda path: sql(path, "PRAGMA user_version = 99"), "its version is 99"),
        (lambda path: sql(path, "PRAGMA application_id = 7"), "a database of something else"),
        (lambda path: sql(path, "UPDATE alerts SET body = x'7b'"), "a row is damaged"),
        (lambda path: path.unlink() or sql(path, "CREATE TABLE theirs (x)"), "a database of something else"),
    ],
    ids=["garbage", "newer", "foreign", "damaged row", "foreign without id"],
)
def test_a_file_that_cannot_be_understood_is_refused_and_not_touched(store, spoil, reason):
    looked(store, "1", found())
    for side in store.path.parent.glob("alerts.db-*"):
        side.unlink()
    spoil(store.path)
    before = store.path.read_bytes()

    for task in (store.book, lambda: looked(store, "2", found()), lambda: tick(store, {}, POLICY, NOON)):
        with pytest.raises(AlertStoreFailed, match=reason):
            task()
    assert store.path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AlertStoreFailed, match=r"Not a directory|File exists"):
        looked(AlertStore(tmp_path / "file"), "1", found())


def test_what_fails_is_tried_again_later_and_later_and_holds_up_no_other_channel(store):
    looked(store, "1", found(), found("sources/weather"))
    bad, good = Box("bad"), Box("good")
    bad.fails = [DeliveryFailed("bad", "no answer") for _ in range(3)]

    first = deliver_pending(store, [bad, good], NOON)

    assert (first.delivered, len(first.failed), first.pending) == (2, 1, 2)
    assert len(bad.fails) == 2  # after the first failure the channel is left alone
    deliver_pending(store, [bad, good], NOON)
    assert (len(bad.fails), len(bad.taken), len(good.taken)) == (1, 0, 2)
    deliver_pending(store, [bad, good], hours(29 / 3600))
    assert len(bad.fails) == 1
    deliver_pending(store, [bad, good], hours(30 / 3600))
    deliver_pending(store, [bad, good], hours(60 / 3600))
    assert len(bad.taken) == 1
    assert deliver_pending(store, [bad, good], hours(1)).pending == 0
    assert (len(bad.taken), len(good.taken)) == (2, 2)
    [sent, _] = sorted(store.messages_about(bad.taken[-1].about[0]), key=lambda each: -each.attempts)
    assert (sent.channel, sent.attempts, sent.delivered_at, sent.error) == ("bad", 3, hours(1), None)


def test_a_message_that_is_refused_holds_up_no_other_message(store):
    looked(store, "1", found(), found("sources/weather"))
    box = Box()
    box.fails = [DeliveryFailed("box", "status 413", refused=True)]
    assert deliver_pending(store, [box], NOON).delivered == 1


def test_over_never_comes_before_new_when_a_channel_recovers(store):
    looked(store, "1", found())
    bad, good = Box("bad"), Box("good")
    bad.fails = [DeliveryFailed("bad", "no answer")]
    assert deliver_pending(store, [bad, good], NOON).failed
    looked(store, "2", checked=[clean(), clean(partition="2013-03-03")], now=hours(0.001))
    looked(store, "3", found("sources/weather"), now=hours(0.001))

    second = deliver_pending(store, [bad, good], hours(0.002))  # the first message is not due again yet

    assert [event(each) for each in good.taken[1:]] == [
        "resolved drift in sources/flights", "opened drift in sources/weather",
    ]  # fmt: skip
    assert [event(each) for each in bad.taken] == ["opened drift in sources/weather"]
    assert second.pending == 2
    deliver_pending(store, [bad, good], hours(1))
    assert [event(each) for each in bad.taken[1:]] == [
        "opened drift in sources/flights", "resolved drift in sources/flights",
    ]  # fmt: skip
    assert deliver_pending(store, [bad, good], hours(1)).pending == 0


def test_what_another_process_is_sending_holds_up_what_comes_after_it(store):
    looked(store, "1", found())
    looked(store, "2", checked=[clean(), clean(partition="2013-03-03")], now=hours(0.1))
    box = Box()

    class Meanwhile(Box):
        def send(self, message):
            if not self.taken:  # in the middle of the first one
                assert deliver_pending(store, [box], hours(0.2)).delivered == 0
            super().send(message)

    outer = Meanwhile()
    deliver_pending(store, [outer], hours(0.2))
    assert [each.event for each in outer.taken] == ["opened", "resolved"]
    assert box.taken == []


def test_a_message_that_was_refused_is_given_up_when_a_later_one_about_its_alert_went_out(store):
    looked(store, "1", found())
    box = Box()
    box.fails = [DeliveryFailed("box", "status 413", refused=True)]
    assert deliver_pending(store, [box], NOON).pending == 1
    looked(store, "2", checked=[clean(), clean(partition="2013-03-03")], now=hours(0.001))
    assert deliver_pending(store, [box], hours(0.002)).pending == 0
    assert [each.event for each in box.taken] == ["resolved"]
    assert deliver_pending(store, [box], hours(5)).delivered == 0
    assert [each.error for each in store.messages_about(key())] == [None, "status 413"]


def test_many_messages_that_wait_for_one_channel_hold_up_no_other(store):
    bad, good = Box("bad"), Box("good")
    for number in range(LONGEST_PASS + 5):
        finding = found(f"s/{number}", severity="critical", owner="")
        looked(store, str(number), finding, now=hours(number / 60))
        bad.fails = [DeliveryFailed("bad", "no answer")]
        deliver_pending(store, [bad, good], hours(number / 60))
    assert len(good.taken) == LONGEST_PASS + 5


def test_a_store_of_the_first_version_is_brought_up_to_date(store):
    looked(store, "1", found())
    sql(store.path, "ALTER TABLE attempts DROP COLUMN refused")
    sql(store.path, "DROP TABLE positions")
    sql(store.path, "PRAGMA user_version = 1")
    box = Box()
    assert deliver_pending(store, [box], NOON).delivered == 1
    assert store.alert(key()).is_active


def test_a_receiver_that_asks_for_time_gets_it(store):
    looked(store, "1", found())
    box = Box()
    box.fails = [DeliveryFailed("box", "status 429", retry_after=600)]
    deliver_pending(store, [box], NOON)
    assert deliver_pending(store, [box], hours(599 / 3600)).delivered == 0
    assert deliver_pending(store, [box], hours(600 / 3600)).delivered == 1


def test_without_channels_messages_wait_and_with_filters_they_go_where_they_are_meant(store):
    looked(store, "1", found(), found("sources/weather", severity="critical"))
    assert deliver_pending(store, [], NOON).pending == 2
    pager, team, nobody = Box("pager", severity="critical"), Box("team", owners=["data"]), Box("n", owners=["x"])
    assert deliver_pending(store, [pager, team, nobody], NOON).pending == 0
    assert [event(each) for each in pager.taken] == ["opened drift in sources/weather"]
    assert [event(each) for each in team.taken] == ["opened drift in sources/flights"]


def test_people_acknowledge_end_and_silence_by_the_beginning_of_an_id(store):
    looked(store, "1", found(), found("sources/weather"))
    name = key()[:6]

    assert acknowledge(store, name, "ann", hours(1), "mine").status == "acknowledged"
    assert store.alert(name).note == "mine"
    assert resolve(store, name, "bob", hours(2)).resolved_at == hours(2)
    assert [event(each) for each in tick(store, {}, POLICY, hours(3))] == ["resolved drift in sources/flights"]
    made = silence(store, "sources/w*", hours(9), hours(3))
    assert store.alert(key("sources/weather")).state(hours(4)) == "silenced"
    assert unsilence(store, made.id, hours(4)) == made
    assert store.alert(key("sources/weather")).state(hours(4)) == "open"
    for wrong in (lambda: acknowledge(store, name, "ann", hours(5)), lambda: acknowledge(store, "", "ann", NOON)):
        with pytest.raises(UnknownAlert):
            wrong()
    with pytest.raises(UnknownAlert, match="Silence 'x' is not there"):
        unsilence(store, "x", NOON)


def test_forgetting_keeps_alerts_and_what_is_still_to_be_delivered(store):
    looked(store, "1", found())
    deliver_pending(store, [Box()], NOON)
    looked(store, "2", found("sources/weather"), now=hours(1))

    assert store.forget(hours(0.5)) == 4  # finding, evaluation, message, attempt
    assert len(store.book().alerts) == 2
    assert pending_messages(store).count == 1
    assert store.history(key()) == ()


def test_prometheus_reads_the_counts(store):
    looked(store, "1", found(kind="volume"), found("views/delays"), found("sources/weather", severity="critical"))
    acknowledge(store, key("sources/weather"), "ann", NOON)

    lines = prometheus_text(store, hours(1)).splitlines()

    assert 'feature_platform_alerts{severity="warning",state="open"} 1' in lines
    assert 'feature_platform_alerts{severity="critical",state="acknowledged"} 1' in lines
    assert 'feature_platform_alerts{severity="info",state="silenced"} 0' in lines
    assert "feature_platform_alert_messages_pending 2" in lines
    assert "feature_platform_alert_messages_oldest_seconds 3600.0" in lines


def test_prometheus_can_parse_them(store):
    from prometheus_client.parser import text_string_to_metric_families

    families = {each.name: len(each.samples) for each in text_string_to_metric_families(prometheus_text(store, NOON))}
    assert families == {
        "feature_platform_alerts": 9,
        "feature_platform_alert_messages_pending": 1,
        "feature_platform_alert_messages_oldest_seconds": 1,
    }


def sql(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
