"""`feature-platform alerts`: what is wrong, and who works on it.

Exit codes: 0 when all went well, 1 with one line that says what failed, 2 when the command line is wrong, and 3 from
`list --exit-code` while an alert is open.
"""

import getpass
import json
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from feature_platform.cli import alert_check
from feature_platform.cli.shared import one_line_errors
from feature_platform.ground.clock import microseconds, rfc3339, shift_moment
from feature_platform.ground.errors import DeliveryFailed, UnknownAlert
from feature_platform.ground.findings import rank
from feature_platform.monitoring.alerting import Alert, AlertStore, Silence, pending_messages
from feature_platform.monitoring.alerting import acknowledge as acknowledge_alert
from feature_platform.monitoring.alerting import resolve as resolve_alert
from feature_platform.monitoring.alerting import silence as add_silence
from feature_platform.monitoring.alerting import unsilence as end_silence
from feature_platform.monitoring.alerting.messages import Group, describe_alert, message_of, size_of
from feature_platform.parts.alert_channels import Message
from feature_platform.parts.alert_channels.message import printable

if TYPE_CHECKING:
    from feature_platform.offline import OfflineStore

app = typer.Typer(
    help="Alerts: check, list, acknowledge, accept, silence and resolve them; test channels.", no_args_is_help=True
)
app.command(name="check")(alert_check.check)

AlertId = Annotated[
    str, typer.Argument(help="The id of an alert, or its first letters; see `alerts list`.", metavar="ID")
]
By = Annotated[str, typer.Option(help="Your name. Defaults to the user of this machine.")]
Note = Annotated[str, typer.Option(help="A note that is stored with the alert.")]
_COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}
_OPEN = 3


@app.command(name="list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="List ended alerts, too.")] = False,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,  # noqa: FBT002
    exit_code: Annotated[bool, typer.Option(help="Exit with 3 while an alert is open.")] = False,  # noqa: FBT002
) -> None:
    """List the alerts, the most severe first; alerts with the same root cause stand below the alert of that cause.

    Example: feature-platform alerts list --all
    """
    with one_line_errors():
        store, now = _alert_store(), datetime.now(timezone.utc)
        book, pending = store.book(), pending_messages(store)
    shown = _sort_alerts([each for each in book.alerts.values() if everything or each.is_active])
    silences = [each for each in book.silences if now < each.until]
    if as_json:
        for alert in shown:
            typer.echo(json.dumps(_facts(alert, now)))
    elif not shown:
        typer.echo("There are no alerts." if everything else "Nothing is wrong. Ended alerts: alerts list --all")
    else:
        Console().print(_table(shown, now))
    if not as_json:
        _print_silences(silences)
        if pending.oldest is not None:
            typer.echo(
                f"{pending.count} messages are still to be delivered, the oldest of {pending.oldest:%F %H:%M} UTC."
            )
    if exit_code and any(each.state(now) == "open" for each in book.alerts.values()):
        raise typer.Exit(_OPEN)


@app.command()
def show(alert_id: AlertId) -> None:
    """Show everything about one alert: its text, what was found, what was accepted, and what was sent where.

    Example: feature-platform alerts show 3f9a0c81
    """
    from feature_platform.monitoring.watching.accepting import levels_about
    from feature_platform.offline.accepted import read_accepted_levels

    with one_line_errors():
        store, now = _alert_store(), datetime.now(timezone.utc)
        book = store.book()
        alert = store.alert(alert_id)
        history, sent = store.history(alert.fingerprint), store.messages_about(alert.fingerprint)
        levels = levels_about(read_accepted_levels(_tables(), alert.finding.asset), alert)
    others = [each for each in book.alerts.values() if each.is_active]
    group = Group(alert, tuple(each for each in others if each.root == alert.fingerprint))
    typer.echo(message_of(group, "reminder" if alert.is_active else "resolved", now).text.rsplit("\n\n", 1)[0])
    typer.echo(f"\nId {alert.fingerprint}, {alert.state(now)}, episode {alert.episode}, notified {alert.told} times.")
    if alert.root is not None and alert.root in book.alerts:
        typer.echo(f"Grouped with {alert.root}: {describe_alert(book.alerts[alert.root])}.")
    if alert.note:
        typer.echo(f"Note: {printable(alert.note, 500)}")
    for level in levels:
        why = f": {printable(level.note, 500)}" if level.note else ""
        typer.echo(
            f"Accepted {level.at:%F %H:%M} UTC by {printable(level.by)}, from {printable(level.start_label)} on{why}"
        )
    typer.echo("\nFound:")
    for seen in history:
        where = f" {printable(seen.finding.partition)}" if seen.finding.partition else ""
        typer.echo(
            f"  {seen.at:%Y-%m-%d %H:%M} UTC{where} [{seen.finding.severity}] {printable(seen.finding.evidence, 200)}"
        )
    typer.echo("Sent:" if sent else "Nothing was sent.")
    for each in sent:
        channel = f" to {each.channel}" if each.channel else ""
        went = (
            f"delivered {each.delivered_at:%F %H:%M} UTC"
            if each.delivered_at
            else f"not yet ({each.attempts} attempts)"
        )
        typer.echo(
            f"  {each.at:%Y-%m-%d %H:%M} UTC {each.event}{channel}: {went}{f', {each.error}' if each.error else ''}"
        )


@app.command()
def ack(alert_id: AlertId, by: By = "", note: Note = "") -> None:
    """Acknowledge an alert: somebody works on it. It sends no reminders until it gets worse, and still ends by itself.

    Example: feature-platform alerts ack 3f9a0c81 --note "asked the airline"
    """
    with one_line_errors():
        alert = acknowledge_alert(_alert_store(), alert_id, by or _user(), datetime.now(timezone.utc), note)
    typer.echo(f"{alert.fingerprint}: {describe_alert(alert)} is acknowledged by {printable(alert.by)}.")


@app.command()
def resolve(alert_id: AlertId, by: By = "", note: Note = "") -> None:
    """Resolve an alert by hand. When the problem is found again, the alert opens again and is sent.

    Example: feature-platform alerts resolve 3f9a0c81 --note "was planned"
    """
    with one_line_errors():
        alert = resolve_alert(_alert_store(), alert_id, by or _user(), datetime.now(timezone.utc), note)
    typer.echo(f"{alert.fingerprint}: {describe_alert(alert)} is resolved by {printable(alert.by)}.")


@app.command()
def accept(
    alert_id: AlertId,
    by: By = "",
    note: Note = "",
    affected: Annotated[bool, typer.Option(help="Accept the alerts below it, too.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Accept what was found as the new baseline: the alert ends, and later partitions are compared to the new ones.

    Example: feature-platform alerts accept 3f9a0c81 --note "prices are in euros now"
    """
    from feature_platform.monitoring.watching.accepting import accept_level

    with one_line_errors():
        now = datetime.now(timezone.utc)
        ended = accept_level(_tables(), _alert_store(), alert_id, by or _user(), now, note, affected=affected)
    for alert in ended:
        since = alert.since or "the version in which it began"
        typer.echo(
            f"{alert.fingerprint}: {describe_alert(alert)} is accepted by {printable(alert.by)}, from {since} on."
        )


@app.command()
def silence(
    asset: Annotated[str, typer.Argument(help="An asset, or a pattern such as `views/*`.", metavar="ASSET")],
    length: Annotated[str, typer.Option("--for", help="How long, e.g. `8h` or `2d`.")],
    kind: Annotated[str | None, typer.Option(help="Silence only this kind of finding, e.g. `drift`.")] = None,
    column: Annotated[str | None, typer.Option(help="Silence only this column.")] = None,
    downstream: Annotated[bool, typer.Option(help="Silence what is made from it, too.")] = False,  # noqa: FBT002
    by: By = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Silence an asset for a while. What is still wrong when the silence ends is sent then.

    Example: feature-platform alerts silence sources/weather --for 2d --reason "new station" --downstream
    """
    with one_line_errors():
        now = datetime.now(timezone.utc)
        until = shift_moment(now, microseconds(length, "Option `--for`"))
        added = add_silence(
            _alert_store(), asset, until, now,
            kind=kind, column=column, downstream=downstream, by=by or _user(), reason=reason,
        )  # fmt: skip
    typer.echo(f"Silence {added.id}: {_subject(added)} until {added.until:%Y-%m-%d %H:%M} UTC.")


@app.command()
def unsilence(silence_id: Annotated[str, typer.Argument(help="The id of a silence.", metavar="SILENCE")]) -> None:
    """End a silence now.

    Example: feature-platform alerts unsilence 5c0e11d2
    """
    with one_line_errors():
        ended = end_silence(_alert_store(), silence_id, datetime.now(timezone.utc))
    typer.echo(f"Silence {ended.id} of {_subject(ended)} has ended.")


@app.command(name="test")
def try_channels(
    channel: Annotated[str | None, typer.Argument(help="A channel. Defaults to all.", metavar="CHANNEL")] = None,
) -> None:
    """Send a test message through the configured channels; nothing is stored.

    Example: feature-platform alerts test ops
    """
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        channels = {each.name: each for each in loaded_settings().alert_channels()}
        if channel is not None and channel not in channels:
            known = f"Configured: {', '.join(channels)}."
            raise UnknownAlert("Alert channel", channel, "is not configured", known)
        message, failed = _test_message(datetime.now(timezone.utc)), False
        for name in channels if channel is None else [channel]:
            try:
                channels[name].send(message)
            except DeliveryFailed as error:
                failed = True
                typer.echo(f"{name}: failed, {error.reason}", err=True)
            else:
                typer.echo(f"{name}: delivered")
    if failed:
        raise typer.Exit(1)


def _alert_store() -> AlertStore:
    """Return the alerts of this machine; refuse when another machine keeps the alerts."""
    from feature_platform.pipelines.holders import refuse_other_machines
    from feature_platform.settings import loaded_settings

    settings = loaded_settings()
    refuse_other_machines(_tables(), "alerts", settings.alerts_folder)
    return settings.alert_store()


def _tables() -> "OfflineStore":
    from feature_platform.offline import OfflineStore
    from feature_platform.settings import loaded_settings

    return OfflineStore(**loaded_settings().store_arguments())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "somebody"


def _test_message(now: datetime) -> Message:
    key, text = f"test-{rfc3339(now)}", "A test of this channel. Nothing is wrong."
    body = json.dumps({"format": 1, "key": key, "event": "test", "at": rfc3339(now)})
    return Message(key.replace(":", ""), "test", "info", (), "Test of feature-platform alerts", text, body)


def _sort_alerts(alerts: Iterable[Alert]) -> list[Alert]:
    """Sort root alerts by severity, each followed by the alerts grouped below it."""
    known = {each.fingerprint: each for each in alerts}
    heads = {key: known.get(each.root or "", each) for key, each in known.items()}  # the root may have ended
    worst: dict[str, int] = {}
    for key, head in heads.items():
        worst[head.fingerprint] = max(worst.get(head.fingerprint, 0), rank(known[key].severity))

    def place(alert: Alert) -> tuple[object, ...]:
        root = heads[alert.fingerprint]
        return (
            not root.is_active,
            -worst[root.fingerprint],
            root.opened_at,
            root.fingerprint,
            alert is not root,
            describe_alert(alert),
        )

    return sorted(known.values(), key=place)


def _table(alerts: list[Alert], now: datetime) -> Table:
    shown, roots = Table(box=SIMPLE_HEAD, padding=0), {each.fingerprint for each in alerts}
    for column in ("id", "severity", "state", "what", "since", "size", "owner", "last found (UTC)"):
        shown.add_column(column, no_wrap=column in ("id", "severity", "last found (UTC)"), overflow="fold")
    for alert in alerts:
        below = "  " if alert.root in roots else ""
        named = alert.by if alert.accepted or alert.status == "acknowledged" else ""
        state = ("accepted" if alert.accepted else alert.state(now)) + (f" by {named}" if named else "")
        cells = (state, below + describe_alert(alert), alert.since, size_of(alert), alert.finding.owner)
        shown.add_row(
            alert.fingerprint[:8],
            f"[{_COLOURS[alert.severity]}]{alert.severity}[/]",
            *(escape(printable(each, 200)) for each in cells),
            f"{alert.seen_at:%Y-%m-%d %H:%M}",
        )
    return shown


def _print_silences(silences: Iterable[Silence]) -> None:
    for each in silences:
        why = f" ({printable(each.reason)})" if each.reason else ""
        typer.echo(f"Silence {each.id}: {_subject(each)} until {each.until:%F %H:%M} UTC by {printable(each.by)}{why}.")


def _subject(silence: Silence) -> str:
    kind = f"{silence.kind} of " if silence.kind else ""
    column = f"{silence.column} in " if silence.column else ""
    more = " and what is made from it" if silence.downstream else ""
    return printable(f"{kind}{column}{silence.asset}{more}", 300)


def _facts(alert: Alert, now: datetime) -> dict[str, object]:
    finding = alert.finding
    return {
        "id": alert.fingerprint, "state": alert.state(now), "accepted": alert.accepted, "severity": alert.severity,
        "asset": finding.asset, "kind": finding.kind, "column": finding.column, "since": alert.since,
        "size": finding.size, "owner": finding.owner, "evidence": finding.evidence,
        "opened_at": rfc3339(alert.opened_at), "seen_at": rfc3339(alert.seen_at), "root": alert.root,
    }  # fmt: skip
