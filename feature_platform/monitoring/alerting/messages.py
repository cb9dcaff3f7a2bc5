"""The notifications of an alert: what, since when, how big, compared to what, likely cause, owner, what to do.

Names and evidence come from data: they are cut and made `printable` here, once, for every channel.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_platform.ground.clock import microsecond_of, rfc3339
from feature_platform.ground.findings import Severity, rank
from feature_platform.monitoring.alerting.alert import Alert, could_cause
from feature_platform.monitoring.alerting.book import DigestLine
from feature_platform.monitoring.alerting.grouping import CAUSES
from feature_platform.parts.alert_channels.message import (
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    Message,
    printable,
)

LISTED = 20
"""How many others a message lists; it says how many more there are."""

PASSED = "passed"
FLAPPING = "flapping"
"""The event of what began and ended in one look."""

_EVIDENCE = 500
_EVENTS = {
    "opened": "New", "reopened": "Again", "worse": "Worse", "wider": "Wider", "reminder": "Still open",
    "resolved": "Over", PASSED: "Began and is over",
    FLAPPING: "Comes and goes",
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """The alert of a cause, the alerts that it inhibits, and the active ones on its asset and upstream of it."""

    alert: Alert
    members: tuple[Alert, ...] = ()
    near: tuple[Alert, ...] = ()

    @property
    def severity(self) -> Severity:
        """Return the highest severity of the group."""
        return max((each.severity for each in (self.alert, *self.members)), key=rank)

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the owners of all alerts of the group, in order."""
        return tuple(sorted({each.finding.owner for each in (self.alert, *self.members)} - {""}))

    @property
    def about(self) -> tuple[str, ...]:
        """Return the fingerprints of the group, that of the cause first."""
        return (self.alert.fingerprint, *(each.fingerprint for each in self.ordered_members))

    @property
    def ordered_members(self) -> tuple[Alert, ...]:
        """Return the inhibited alerts, in a fixed order."""
        return tuple(
            sorted(self.members, key=lambda each: (-rank(each.severity), describe_alert(each), each.fingerprint))
        )


def message_of(group: Group, event: str, now: datetime, ends: Sequence[Group] = ()) -> Message:
    """Return the message that notifies of an event of an alert.

    Args:
        ends: other alerts that are resolved, which it names as well.
    """
    alert, severity = group.alert, severity_of(group, event)
    key = f"{alert.fingerprint}-{alert.episode}-{alert.told + 1}-{event}"
    return Message(
        key=key,
        event=event,
        severity=severity,
        owners=tuple(sorted({*group.owners, *(owner for each in ends for owner in each.owners)})),
        subject=printable(f"[{severity}] {headline(group, event)}{_also_over(ends)}", LONGEST_SUBJECT),
        text=_text(group, event, ends),
        json=json.dumps({"format": 1, "key": key, "event": event, "at": rfc3339(now), **_facts(group, event, ends)}),
        about=tuple(dict.fromkeys([*group.about, *(key for each in ends for key in each.about)])),
    )


def severity_of(group: Group, event: str) -> Severity:
    """Return how severe an event is.

    The end of an alert is as severe as its notification was, or as it became later.
    """
    if event != "resolved":
        return group.severity
    return max((group.alert.told_severity or group.severity, group.alert.severity), key=rank)


def headline(group: Group, event: str) -> str:
    """Return one line that says what happened to which asset, and how many others are affected."""
    more = f", and {len(group.members)} more" if group.members else ""
    return f"{_EVENTS[event]}: {describe_alert(group.alert)}{more}"


def _also_over(ends: Sequence[Group]) -> str:
    if len(ends) == 1:
        return f"; {headline(ends[0], 'resolved').replace('Over', 'over', 1)}"
    return f"; {len(ends)} others over" if ends else ""


def digest_of(owner: str, lines: Sequence[DigestLine], now: datetime) -> Message:
    """Return the message with everything that an owner got no message of its own about."""
    ordered = sorted(lines, key=lambda each: (-rank(each.severity), each.at, each.about, each.text))
    first = min(each.at for each in ordered)
    key = f"digest-{microsecond_of(first)}-{hashlib.sha256(owner.encode()).hexdigest()[:16]}"
    shown = [f"- [{each.severity}] {each.text} ({each.at:%Y-%m-%d %H:%M} UTC)" for each in ordered[: 5 * LISTED]]
    if len(ordered) > len(shown):
        shown.append(f"- and {len(ordered) - len(shown)} more")
    body = [
        f"Alerts without a message of their own since {first:%Y-%m-%d %H:%M} UTC:",
        *shown,
        "",
        "Details: feature-platform alerts list",
    ]
    facts = [
        {"fingerprint": each.about[0], "severity": each.severity, "at": rfc3339(each.at), "text": each.text}
        for each in ordered[: 5 * LISTED]
    ]
    data = {
        "format": 1,
        "key": key,
        "event": "digest",
        "at": rfc3339(now),
        "owner": printable(owner),
        "count": len(ordered),
    }
    return Message(
        key=key,
        event="digest",
        severity=ordered[0].severity,
        owners=(owner,) if owner else (),
        subject=f"Digest: {len(ordered)} smaller alerts" if len(ordered) > 1 else "Digest: 1 smaller alert",
        text="\n".join(body)[:LONGEST_TEXT],
        json=json.dumps({**data, "lines": facts}),
        about=tuple(dict.fromkeys(key for each in ordered for key in each.about)),
    )


def describe_alert(alert: Alert) -> str:
    """Describe an alert in a few words, e.g. `null_rate of dep_delay in sources/flights`."""
    finding = alert.finding
    column = "" if finding.column is None else f" of {printable(finding.column)}"
    return f"{printable(finding.kind)}{column} in {printable(finding.asset)}"


def size_of(alert: Alert) -> str:
    """Return how big it is, in words; empty when it was not measured."""
    finding = alert.finding
    return "" if finding.size is None else f"{finding.size:.4g} {printable(finding.measure)}".strip()


def likely_causes_of(group: Group) -> tuple[str, ...]:
    """Return likely causes: those that the watch named, and active alerts upstream whose kind explains others."""
    near = sorted(
        (each for each in group.near if each.fingerprint != group.alert.fingerprint and could_cause(each, group.alert)),
        key=lambda each: (_telling(each), each.since, describe_alert(each)),
    )
    upstream = [each for each in near if each.finding.asset != group.alert.finding.asset]
    named = [each for each in near if each.finding.kind in CAUSES or each in upstream]
    causes = [f"{describe_alert(each)}{_since(each.since)}" for each in named]
    return tuple(dict.fromkeys([*(printable(each, _EVIDENCE) for each in group.alert.finding.causes), *causes]))[:5]


def _telling(alert: Alert) -> int:
    return CAUSES.index(alert.finding.kind) if alert.finding.kind in CAUSES else len(CAUSES)


def _since(partition: str) -> str:
    return f" since {printable(partition)}" if partition else ""


def _text(group: Group, event: str, ends: Sequence[Group]) -> str:
    alert, finding = group.alert, group.alert.finding
    looks = "1 clean evaluation" if alert.clean == 1 else f"{alert.clean} clean evaluations"
    end = f" (ended after {looks})" if not alert.is_active and alert.clean else ""
    by = f" by {printable(alert.by)}" if alert.by else ""
    newest = f", last in {printable(alert.newest)}" if alert.newest not in ("", alert.since) else ""
    facts = {
        "What": printable(finding.evidence, _EVIDENCE),
        "Since": f"partition {printable(alert.since)}{newest}"
        if alert.since
        else f"{alert.opened_at:%Y-%m-%d %H:%M} UTC",
        "How big": size_of(alert),
        "Compared to": printable(finding.compared_to, _EVIDENCE),
        "Likely cause": "; ".join(likely_causes_of(group)) or "not known; nothing upstream changed at the same time",
        "Owner": printable(finding.owner) or "nobody",
        "What to do": printable(finding.remedy, _EVIDENCE) or "look at the asset and its sources",
        "State": f"{'accepted' if alert.accepted else alert.status}{by}{end}{_note(alert)}",
    }
    if event == FLAPPING:
        facts["From now on"] = "it is over when it stays away; until then you get reminders only"
    lines = [f"{_EVENTS[event]} [{severity_of(group, event)}]: {describe_alert(alert)}", ""]
    lines += [f"{name + ':':<13} {value}" for name, value in facts.items() if value]
    if group.members:
        listed = "Over as well" if event == PASSED else "Affected as well"
        lines += ["", f"{listed} ({len(group.members)}):"]
        lines += [
            f"- [{each.severity}] {describe_alert(each)}{_since(each.since)}" for each in group.ordered_members[:LISTED]
        ]
        if len(group.members) > LISTED:
            lines.append(f"- and {len(group.members) - LISTED} more")
    if ends:
        lines += ["", f"Over now ({len(ends)}):"]
        lines += [f"- {headline(each, 'resolved')}{_describe_span(each.alert)}" for each in ends[:LISTED]]
        if len(ends) > LISTED:
            lines.append(f"- and {len(ends) - LISTED} more")
    lines += ["", f"Details: feature-platform alerts show {alert.fingerprint[:8]}"]
    return "\n".join(lines)[:LONGEST_TEXT]


def _describe_span(alert: Alert) -> str:
    """Describe from which partition to which it was found, and the note of the person who ended it."""
    last = f", last in {printable(alert.newest)}" if alert.newest not in ("", alert.since) else ""
    return f"{_since(alert.since)}{last}{_note(alert)}"


def _note(alert: Alert) -> str:
    """Return why it ended, in the words of the person who ended it."""
    return f": {printable(alert.note, _EVIDENCE)}" if alert.note and not alert.is_active else ""


def _facts(group: Group, event: str, ends: Sequence[Group]) -> dict[str, object]:
    alert, finding = group.alert, group.alert.finding
    return {
        "alert": {
            "fingerprint": alert.fingerprint, "asset": printable(finding.asset), "kind": printable(finding.kind),
            "column": None if finding.column is None else printable(finding.column),
            "severity": severity_of(group, event),
            "status": alert.status, "since": printable(alert.since), "newest": printable(alert.newest),
            "size": finding.size, "measure": printable(finding.measure),
            "compared_to": printable(finding.compared_to, _EVIDENCE),
            "evidence": printable(finding.evidence, _EVIDENCE), "causes": list(likely_causes_of(group)),
            "owner": printable(finding.owner), "remedy": printable(finding.remedy, _EVIDENCE),
            "opened_at": rfc3339(alert.opened_at),
        },
        "affected": [
            {
                "fingerprint": each.fingerprint, "what": describe_alert(each), "severity": each.severity,
                "since": printable(each.since),
            }
            for each in group.ordered_members[:LISTED]
        ],
        "affected_count": len(group.members),
        "over": [
            {"fingerprint": each.alert.fingerprint, "what": describe_alert(each.alert),
             "severity": severity_of(each, "resolved"), "since": printable(each.alert.since),
             "newest": printable(each.alert.newest)}
            for each in ends[:LISTED]
        ],
        "over_count": len(ends),
    }  # fmt: skip
