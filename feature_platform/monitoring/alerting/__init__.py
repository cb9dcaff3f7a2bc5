"""Alerting: from findings to the few messages that people get.

The policy is pure (`evaluated`); the store keeps its state and its messages in one transaction (`evaluate`), and
`deliver_pending` brings them to the channels. Never from inside an asset or check: a retry would tell it again.
"""

from feature_platform.monitoring.alerting.actions import (
    accept,
    acknowledge,
    end_gone,
    evaluate,
    resolve,
    silence,
    tick,
    unsilence,
)
from feature_platform.monitoring.alerting.alert import Alert
from feature_platform.monitoring.alerting.book import Book
from feature_platform.monitoring.alerting.delivering import Delivered, Pending, deliver_pending, pending_messages
from feature_platform.monitoring.alerting.evaluating import evaluated
from feature_platform.monitoring.alerting.finding import Checked, Evaluation, Finding
from feature_platform.monitoring.alerting.metrics import prometheus_text
from feature_platform.monitoring.alerting.policy import Policy, QuietHours, Silence, policy_of
from feature_platform.monitoring.alerting.store import KEPT, AlertStore, Seen, Sent

__all__ = [
    "KEPT",
    "Alert",
    "AlertStore",
    "Book",
    "Checked",
    "Delivered",
    "Evaluation",
    "Finding",
    "Pending",
    "Policy",
    "QuietHours",
    "Seen",
    "Sent",
    "Silence",
    "accept",
    "acknowledge",
    "deliver_pending",
    "end_gone",
    "evaluate",
    "evaluated",
    "pending_messages",
    "policy_of",
    "prometheus_text",
    "resolve",
    "silence",
    "tick",
    "unsilence",
]
