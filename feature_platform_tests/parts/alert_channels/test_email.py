"""E-mail: encrypted and checked, plain text, one mail a message."""

import email
import email.policy

import pytest

from feature_platform.ground.errors import DeliveryFailed
from feature_platform.parts.alert_channels import Email
from feature_platform_tests.parts.alert_channels.receivers import Certificate, Listening, Post
from feature_platform_tests.parts.alert_channels.test_contract import MESSAGE, SECRET


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate")).path


def channel(post, **more) -> Email:
    to = ["team@example.com", "boss@example.com"]
    return Email("mail", {"host": "localhost", "port": post.port, "sender": "fp@example.com", "to": to, **more})


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_is_encrypted_plain_text_with_an_id_from_the_key(certificate, security):
    with Listening(Post(certificate, tls=security == "tls")) as post:
        channel(post, ca_file=certificate, security=security, user="fp", password=SECRET).send(MESSAGE)

    [mail] = post.mails
    assert (mail.sender, mail.to) == ("fp@example.com", ["team@example.com", "boss@example.com"])
    assert (mail.encrypted, mail.user) == (True, True)
    read = email.message_from_bytes(mail.text.encode("ascii"), policy=email.policy.default)
    assert read["Subject"] == MESSAGE.subject
    assert read["Message-ID"] == f"<{MESSAGE.key}@feature-platform.invalid>"
    assert read.get_content_type() == "text/plain"
    assert read.get_content().replace("\r\n", "\n").strip() == MESSAGE.text


def test_a_certificate_that_nobody_vouches_for_gets_no_password_and_no_mail(certificate):
    with Listening(Post(certificate)) as post:
        with pytest.raises(DeliveryFailed, match=r"certificate|SSL"):
            channel(post, user="fp", password=SECRET).send(MESSAGE)
        assert post.mails == []


def test_a_server_without_encryption_gets_no_mail():
    with Listening(Post()) as post:
        with pytest.raises(DeliveryFailed):
            channel(post, user="fp", password=SECRET).send(MESSAGE)
        assert post.mails == []


@pytest.mark.parametrize(
    ("refuses", "reason", "refused"),
    [
        ({"RCPT": "550 nobody"}, "all recipients are refused", False),
        ({"DOT": "554 spam"}, "the mail is refused with code 554", True),
        ({"DOT": "451 later"}, "the mail is refused with code 451", False),
        ({"AUTH": "535 wrong"}, "code 535", False),
        ({"MAIL": "421 busy"}, "code 421|no delivery", False),
    ],
)
def test_what_a_server_refuses_is_said_without_its_words(certificate, refuses, reason, refused):
    with Listening(Post(certificate)) as post:
        post.refuses = refuses
        with pytest.raises(DeliveryFailed, match=reason) as failed:
            channel(post, ca_file=certificate, user="fp", password=SECRET).send(MESSAGE)
    assert failed.value.refused is refused


def test_a_recipient_who_is_refused_keeps_no_mail_from_the_others(certificate, caplog):
    with Listening(Post(certificate)) as post:
        post.strangers = {"boss@example.com"}
        channel(post, ca_file=certificate).send(MESSAGE)
    assert post.mails[0].to == ["team@example.com"]
    assert [each.getMessage() for each in caplog.records] == ["Alert channel mail: 1 of 2 recipients are refused."]
