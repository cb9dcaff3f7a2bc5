"""The webhook: what it sends, what counts as an answer, and where it does not go."""

import hashlib
import hmac

import pytest

from feature_platform.ground.errors import DeliveryFailed
from feature_platform.parts.alert_channels import Webhook
from feature_platform_tests.parts.alert_channels.receivers import Listening, Web
from feature_platform_tests.parts.alert_channels.test_contract import MESSAGE, SECRET


@pytest.fixture
def web():
    with Listening(Web()) as web:
        yield web


def test_it_posts_the_json_with_its_key_and_a_signature_of_the_body(web):
    Webhook("ops", {"url": web.url, "secret": SECRET}).send(MESSAGE)

    [posted] = web.posted
    assert posted.body == MESSAGE.json.encode()
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["idempotency-key"] == MESSAGE.key
    signed = hmac.new(SECRET.encode(), posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["x-feature-platform-signature"] == f"sha256={signed}"


def test_without_a_secret_there_is_no_signature(web):
    Webhook("ops", {"url": web.url}).send(MESSAGE)
    assert "x-feature-platform-signature" not in web.posted[0].headers


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False), (503, False)],
)
def test_only_success_counts(web, status, refused):
    web.answers = [(status, {"Retry-After": "120"})]
    with pytest.raises(DeliveryFailed, match=f"status {status}") as failed:
        Webhook("ops", {"url": web.url}).send(MESSAGE)
    assert (failed.value.refused, failed.value.retry_after) == (refused, 120)


@pytest.mark.parametrize("wait", ["Wed, 21 Oct 2015 07:28:00 GMT", "-5", "²", "", "9" * 5000])
def test_a_time_to_wait_that_is_no_number_is_left_out(web, wait):
    web.answers = [(503, {"Retry-After": wait.encode("utf-8").decode("latin-1")})]
    with pytest.raises(DeliveryFailed) as failed:
        Webhook("ops", {"url": web.url}).send(MESSAGE)
    assert failed.value.retry_after is None


@pytest.mark.parametrize("status", [307, 308])
def test_it_follows_a_redirect_on_the_same_host_with_the_body(web, status):
    web.answers = [(status, {"Location": "/other"})]
    Webhook("ops", {"url": web.url, "secret": SECRET}).send(MESSAGE)
    assert [each.path for each in web.posted] == ["/hook", "/other"]
    assert web.posted[0].body == web.posted[1].body
    assert web.posted[0].headers["idempotency-key"] == web.posted[1].headers["idempotency-key"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_follows_no_redirect_to_another_host(web, status):
    with Listening(Web()) as other:
        web.answers = [(status, {"Location": other.url})]
        with pytest.raises(DeliveryFailed, match="redirects elsewhere"):
            Webhook("ops", {"url": web.url, "secret": SECRET}).send(MESSAGE)
        assert other.posted == []


def test_redirects_end(web):
    web.answers = [(307, {"Location": "/hook"})] * 50
    with pytest.raises(DeliveryFailed):
        Webhook("ops", {"url": web.url}).send(MESSAGE)
    assert len(web.posted) < 15
