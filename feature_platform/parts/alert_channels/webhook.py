"""A webhook: the message as JSON, posted to one address, signed when a secret is given.

Only a 2xx answer counts. It follows 307 and 308 on the same host and no other redirect, so that data and signature
go only to the host that is configured.
"""

import hashlib
import hmac
import http.client
import ipaddress
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message as Headers
from typing import IO
from urllib.parse import urlsplit

from feature_platform.ground.errors import DeliveryFailed
from feature_platform.parts.alert_channels.base import TIMEOUT, Channel
from feature_platform.parts.alert_channels.message import Message

SIGNATURE = "X-Feature-Platform-Signature"
_SECONDS = re.compile(r"[0-9]{1,9}")


class Webhook(Channel):
    """POST of the JSON body with the headers `Idempotency-Key` and, with a secret, `X-Feature-Platform-Signature`.

    The signature is `sha256=` and the hexadecimal HMAC-SHA256 of the body.

    Options: `url` (https, or http on this machine), `secret`, `timeout` (seconds for each step).
    """

    kind = "webhook"
    options = ("url", "secret", "timeout")

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__(name, options)
        self._url = self._require(options, "url")
        self._secret = self._option(options, "secret", str, None)
        self._timeout = float(self._option(options, "timeout", int, None) or TIMEOUT)
        if not _is_safe(self._url):
            raise self._error("url", "is no address that is safe", "Give an https URL; http only on this machine.")
        local = [urllib.request.ProxyHandler({})] if is_this_machine(urlsplit(self._url).hostname or "") else []
        self._opener = urllib.request.build_opener(_SameHost(), *local)

    def send(self, message: Message) -> None:
        body = message.json.encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key, "User-Agent": "feature-platform"}
        if self._secret:
            headers[SIGNATURE] = f"sha256={hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()}"
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - checked when made
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            error.close()
            raise self._failure_of(error.code, error.headers.get("Retry-After")) from None
        except urllib.error.URLError as error:
            raise DeliveryFailed(self.name, f"no connection: {_describe_failure(error.reason)}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryFailed(self.name, f"no answer: {_describe_failure(error)}") from None
        if not 200 <= status < 300:
            raise self._failure_of(status, None)

    def _failure_of(self, status: int, retry_after: str | None) -> DeliveryFailed:
        seconds = int(retry_after) if retry_after and _SECONDS.fullmatch(retry_after) else None
        if 300 <= status < 400:
            return DeliveryFailed(self.name, f"it redirects elsewhere (status {status}), which is not followed")
        refused = status in (400, 413, 415, 422)  # this message; what concerns the address concerns all of them
        return DeliveryFailed(self.name, f"status {status}", refused=refused, retry_after=seconds)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Redirects that keep method, body and host; urllib sees to it that they end."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if code not in (307, 308) or (old.scheme, old.netloc) != (new.scheme, new.netloc):
            return None
        return urllib.request.Request(newurl, req.data, dict(req.header_items()), method="POST")  # noqa: S310 - as above


def _describe_failure(reason: object) -> str:
    """Describe what went wrong, without the address that some errors repeat."""
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if any(not each.isprintable() or each == " " for each in url) or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))


def is_this_machine(host: str) -> bool:
    """Tell whether a host is `localhost` or an address of loopback.

    >>> is_this_machine("127.0.0.1"), is_this_machine("::1"), is_this_machine("10.0.0.1")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
