"""What holds for every channel of the catalogue, against receivers on this machine."""

import json
import logging
import socket
import sys
import traceback
from typing import Any

import pytest

from feature_platform.ground.errors import DeliveryFailed, InvalidDeclaration, PackageMissing
from feature_platform.parts.alert_channels import CHANNELS, Channel, Message, channels_of
from feature_platform_tests.parts.alert_channels.receivers import Certificate, Listening, Post, Web

SECRET = "hunter2"
MESSAGE = Message(
    "3f9a-1-1-opened", "opened", "critical", ("data",), "[critical] New: drift of <b>é in a", "What: <b>é\nSince: now",
    json.dumps({"format": 1, "key": "3f9a-1-1-opened", "text": "é"}),
)  # fmt: skip
WRONG = {
    "webhook": [
        {}, {"url": f"http://example.com/{SECRET}"}, {"url": f"ftp://127.0.0.1/{SECRET}"}, {"url": "https:///x"},
        {"url": f"https://example.com/ {SECRET}"}, {"url": "https://a", "secret": 3},
        {"url": "https://a", "timeout": True},
    ],
    "email": [
        {}, {"host": "h", "sender": "a@b", "to": []}, {"host": "h", "sender": "a@b", "to": "a@b"},
        {"host": "h", "sender": "a@b\r\nBcc: c@d", "to": ["a@b"]}, {"host": "h", "sender": "a@b", "to": ["a@b,c@d"]},
        {"host": "h", "sender": "a@b", "to": ["a@b"], "security": SECRET},
        {"host": "h", "sender": "a@b", "to": ["a@b"], "security": "none", "password": SECRET},
    ],
    "apprise": [{}, {"urls": f"slack://{SECRET}"}, {"urls": []}],
    "log": [],
}  # fmt: skip


class Setting:
    """A channel with its receiver: `open()` makes it; `taken()` says what arrived."""

    def __init__(self, kind, folder, stack, caplog):
        self.kind, self.caplog = kind, caplog
        if kind in ("webhook", "apprise"):
            self.receiver = stack.enter_context(Listening(Web()))
            port = self.receiver.server_port
            self.options = {"url": self.receiver.url, "secret": SECRET}
            if kind == "apprise":
                self.options = {"urls": [f"json://user:{SECRET}@127.0.0.1:{port}/hook"]}
        elif kind == "email":
            certificate = Certificate(folder).path
            self.receiver = stack.enter_context(Listening(Post(certificate)))
            self.options = {
                "host": "localhost", "port": self.receiver.port, "sender": "fp@example.com",
                "to": ["team@example.com", "boss@example.com"], "user": "fp", "password": SECRET,
                "ca_file": certificate,
            }  # fmt: skip
        else:
            caplog.set_level(logging.DEBUG, "feature_platform.alerts")
            self.options = {}

    def open(self, **more) -> Channel:
        [channel] = channels_of({"ops": {"kind": self.kind, **self.options, **more}})
        return channel

    def taken(self) -> list[str]:
        """What arrived, as text."""
        if self.kind == "email":
            return [each.text for each in self.receiver.mails]
        if self.kind == "log":
            return [each.getMessage() for each in self.caplog.records if each.name == "feature_platform.alerts"]
        return [each.body.decode() for each in self.receiver.posted]

    def break_receiver(self) -> bool:
        """Make it answer that something is wrong; False where nothing can be."""
        if self.kind == "email":
            self.receiver.refuses["MAIL"] = f"451 {SECRET} is busy"
        elif self.kind != "log":
            self.receiver.answers += [(503, {"X": SECRET})] * 3
        return self.kind != "log"


@pytest.fixture(params=sorted(CHANNELS))
def setting(request, tmp_path, caplog):
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield Setting(request.param, tmp_path, stack, caplog)


def test_a_message_arrives_with_its_key_or_its_words(setting):
    setting.open().send(MESSAGE)
    [text] = setting.taken()
    assert MESSAGE.key in text or "drift of" in text


def test_every_message_arrives_by_itself(setting):
    channel = setting.open()
    for _ in range(3):
        channel.send(MESSAGE)
    assert len(setting.taken()) == 3


def test_a_receiver_that_fails_is_one_clear_error_without_secrets(setting, caplog, capsys):
    if not setting.break_receiver():
        return
    with pytest.raises(DeliveryFailed, match="Alert channel `ops` did not take a message") as failed:
        setting.open().send(MESSAGE)
    assert SECRET not in "".join(traceback.format_exception(failed.value)) + caplog.text + "".join(capsys.readouterr())
    assert failed.value.__cause__ is None


def test_no_secret_is_in_the_repr(setting):
    assert repr(setting.open()) == f"{type(setting.open()).__name__}('ops')"


def test_filters_say_which_messages_are_taken(setting):
    assert setting.open().takes(MESSAGE)
    assert setting.open(owners=["data"], severity="critical").takes(MESSAGE)
    assert not setting.open(owners=["other"]).takes(MESSAGE)
    assert not setting.open(severity="critical").takes(Message("k", "opened", "warning", (), "", "", "{}"))


@pytest.mark.parametrize(("kind", "options"), [(kind, each) for kind in sorted(CHANNELS) for each in WRONG[kind]])
def test_wrong_options_are_refused_without_being_shown(kind, options):
    with pytest.raises(InvalidDeclaration, match=r"Setting `alerts.channels.ops") as refused:
        channels_of({"ops": {"kind": kind, **options}})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("kind", sorted(CHANNELS))
@pytest.mark.parametrize("more", [{"colour": "red"}, {"severity": "fatal"}, {"owners": "data"}])
def test_options_that_no_channel_knows_are_refused(kind, more, tmp_path):
    options: dict[str, dict[str, Any]] = {
        "webhook": {"url": "https://a"}, "email": {"host": "h", "sender": "a@b", "to": ["a@b"]},
        "apprise": {"urls": ["a"]},
    }  # fmt: skip
    with pytest.raises(InvalidDeclaration, match=next(iter(more))):
        channels_of({"ops": {"kind": kind, **options.get(kind, {}), **more}})


@pytest.mark.parametrize("wrong", [[], {"ops": "log"}, {"ops": {}}, {"ops": {"kind": "pigeon"}}, {"ops": {"kind": 1}}])
def test_a_channel_of_no_known_kind_is_refused(wrong):
    with pytest.raises(InvalidDeclaration, match=r"Setting `alerts.channels"):
        channels_of(wrong)


def test_without_channels_there_is_the_log():
    assert repr(channels_of({})) == "(Log('log'),)"


@pytest.mark.parametrize(("kind", "more"), [("webhook", {}), ("email", {"security": "none"})])
def test_nobody_who_listens_is_one_clear_error(kind, more):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options: dict[str, dict[str, Any]] = {
        "webhook": {"url": f"http://127.0.0.1:{port}"},
        "email": {"host": "127.0.0.1", "port": port, "sender": "a@b", "to": ["a@b"]},
    }
    [channel] = channels_of({"ops": {"kind": kind, **options[kind], **more}})
    with pytest.raises(DeliveryFailed, match="Connection refused"):
        channel.send(MESSAGE)


@pytest.mark.parametrize(("kind", "more"), [("webhook", {}), ("email", {"security": "none"})])
def test_a_receiver_that_says_nothing_is_given_up(kind, more):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        options = {
            "webhook": {"url": f"http://127.0.0.1:{port}"},
            "email": {"host": "127.0.0.1", "port": port, "sender": "a@b", "to": ["a@b"]},
        }
        [channel] = channels_of({"ops": {"kind": kind, **options[kind], **more}})
        vars(channel)["_timeout"] = 0.05
        with pytest.raises(DeliveryFailed, match=r"no answer|no delivery|no connection"):
            channel.send(MESSAGE)


def test_without_the_package_apprise_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)  # as an import finds it that is not installed
    [channel] = channels_of({"ops": {"kind": "apprise", "urls": [f"slack://{SECRET}"]}})
    with pytest.raises(PackageMissing, match=r"pip install 'apprise'") as missing:
        channel.send(MESSAGE)
    assert SECRET not in str(missing.value)
