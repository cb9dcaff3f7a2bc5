"""E-mail: the message as plain text through an SMTP server.

The connection is encrypted (STARTTLS, the default, or TLS from the start) and the server's certificate is checked; a
password never travels in the open, except to this machine.
"""

import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP

from feature_platform.ground.errors import DeliveryFailed
from feature_platform.parts.alert_channels.base import TIMEOUT, Channel, texts
from feature_platform.parts.alert_channels.log import LOGGER
from feature_platform.parts.alert_channels.message import Message
from feature_platform.parts.alert_channels.webhook import is_this_machine

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Email(Channel):
    """A mail for each message, with a `Message-ID` made from its key, by which mail programs know a repeat.

    Options: `host`, `sender`, `to` (a list), `port`, `security` (`starttls`, `tls`, `none`), `user`, `password`,
    `ca_file` (certificates to trust instead of the system's), `timeout`.
    """

    kind = "email"
    options = ("host", "sender", "to", "port", "security", "user", "password", "ca_file", "timeout")

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__(name, options)
        self._host, self._sender = self._require(options, "host"), self._require(options, "sender")
        self._to = texts(self._option(options, "to", list, None))
        if not self._to:
            raise self._error("to", "is missing", 'Give a list of addresses: to = ["team@example.com"].')
        for key, addresses in {"sender": (self._sender,), "to": self._to}.items():
            if any("@" not in each or not each.isprintable() or "," in each for each in addresses):
                raise self._error(key, "is no mail address", "Write plain addresses such as `team@example.com`.")
        self._security = self._option(options, "security", str, None) or "starttls"
        if self._security not in _PORTS:
            raise self._error("security", "is not known", f"Write one of {', '.join(_PORTS)}.")
        self._port = self._option(options, "port", int, None) or _PORTS[self._security]
        self._user = self._option(options, "user", str, None)
        self._password = self._option(options, "password", str, None)
        self._ca_file = self._option(options, "ca_file", str, None)
        self._timeout = float(self._option(options, "timeout", int, None) or TIMEOUT)
        if self._password and self._security == "none" and not is_this_machine(self._host):
            raise self._error("security", "is none, with a password", "Use `starttls` or `tls`.")

    def send(self, message: Message) -> None:
        mail = EmailMessage(SMTP.clone(cte_type="7bit"))  # which every server can pass on
        mail["Subject"], mail["From"], mail["To"] = message.subject, self._sender, ", ".join(self._to)
        mail["Message-ID"] = f"<{message.key}@feature-platform.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        try:
            server = self._connect()
            try:
                if self._user is not None:
                    server.login(self._user, self._password or "")
                refused = server.send_message(mail)
            finally:
                with suppress(smtplib.SMTPException, OSError):  # it has the mail, or has said why not
                    server.quit()
        except smtplib.SMTPRecipientsRefused:
            raise DeliveryFailed(self.name, "all recipients are refused") from None
        except smtplib.SMTPDataError as error:
            reason = f"the mail is refused with code {error.smtp_code}"
            raise DeliveryFailed(self.name, reason, refused=error.smtp_code >= 500) from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(self.name, f"the server answers with code {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            known = isinstance(error, OSError) and error.strerror
            raise DeliveryFailed(self.name, f"no delivery: {known or type(error).__name__}") from None
        if refused:  # the others have it, and a repeat would send it to them again
            LOGGER.warning("Alert channel %s: %d of %d recipients are refused.", self.name, len(refused), len(self._to))

    def _connect(self) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=self._tls_context())
        server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        if self._security == "starttls":
            try:
                server.starttls(context=self._tls_context())
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server

    def _tls_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca_file)
