"""Alerting: from findings to the few notifications that people get.

The policy is pure (`evaluate_book`); the store keeps its state and its messages in one transaction (`evaluate`), and
`deliver_pending` brings them to the channels. Never call them from inside an asset or check: a retry
would notify again.
"""

from feature_platform.monitoring.alerting.actions import (
    accept,
    acknowledge,
    evaluate,
    resolve,
    resolve_unwatched,
    silence,
    tick,
    unsilence,
)
from feature_platform.monitoring.alerting.alert import Alert
from feature_platform.monitoring.alerting.book import Book
from feature_platform.monitoring.alerting.delivering import (
    DeliveryReport,
    PendingMessages,
    deliver_pending,
    pending_messages,
)
from feature_platform.monitoring.alerting.evaluating import evaluate_book
from feature_platform.monitoring.alerting.finding import CheckedScope, Evaluation, Finding
from feature_platform.monitoring.alerting.metrics import prometheus_text
from feature_platform.monitoring.alerting.policy import Policy, QuietHours, Silence, policy_of
from feature_platform.monitoring.alerting.store import RETENTION, AlertStore, PastFinding, SentMessage

__all__ = [
    "RETENTION",
    "Alert",
    "AlertStore",
    "Book",
    "CheckedScope",
    "DeliveryReport",
    "Evaluation",
    "Finding",
    "PastFinding",
    "PendingMessages",
    "Policy",
    "QuietHours",
    "SentMessage",
    "Silence",
    "accept",
    "acknowledge",
    "deliver_pending",
    "evaluate",
    "evaluate_book",
    "pending_messages",
    "policy_of",
    "prometheus_text",
    "resolve",
    "resolve_unwatched",
    "silence",
    "tick",
    "unsilence",
]
