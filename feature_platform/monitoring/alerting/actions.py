"""Actions on the store of alerts: evaluations of the platform, and what people do."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from feature_platform.ground.errors import InvalidDeclaration, UnknownAlert
from feature_platform.monitoring.alerting.alert import Alert, acknowledge_alert, resolve_alert
from feature_platform.monitoring.alerting.book import Book
from feature_platform.monitoring.alerting.evaluating import evaluate_book
from feature_platform.monitoring.alerting.finding import Evaluation
from feature_platform.monitoring.alerting.policy import Policy, Silence
from feature_platform.monitoring.alerting.store import AlertStore, Positions, find_alert
from feature_platform.parts.alert_channels.message import Message


def evaluate(
    store: AlertStore,
    evaluations: Evaluation | Sequence[Evaluation],
    upstream: Mapping[str, Collection[str]],
    policy: Policy,
    now: datetime,
    positions: Positions | None = None,
) -> tuple[Message, ...]:
    """Take in each evaluation once, and put the messages that are due into the outbox; they are also returned.

    Those that are new are seen as one, whatever their order, so that a broken source and what is made from it are one
    message. Those taken in before are left out; where all were, nothing is changed.

    Args:
        upstream: for each asset those that it is made from directly.
        positions: up to where these evaluations have looked; kept with them.

    Raises:
        AlertStoreFailed: nothing was changed; do it again.
    """
    several = [evaluations] if isinstance(evaluations, Evaluation) else evaluations
    return store.take_in(several, lambda book, new: evaluate_book(book, new, upstream, policy, now), now, positions)


def tick(
    store: AlertStore, upstream: Mapping[str, Collection[str]], policy: Policy, now: datetime
) -> tuple[Message, ...]:
    """Put into the outbox what time alone makes due: reminders, the end of quiet hours and silences, digests.

    Raises:
        AlertStoreFailed: nothing was changed; do it again.
    """
    return store.change(lambda book: evaluate_book(book, Evaluation(""), upstream, policy, now), now)


def acknowledge(store: AlertStore, name: str, by: str, now: datetime, note: str = "") -> Alert:
    """Say that somebody looks after an alert: no reminders until it gets worse.

    Args:
        name: its fingerprint or the beginning of it.

    Raises:
        UnknownAlert: there is no such alert, it is not the only one, or it has ended.
    """
    return _change_alert(store, name, now, lambda alert: acknowledge_alert(alert, by, now, note))


def resolve(store: AlertStore, name: str, by: str, now: datetime, note: str = "") -> Alert:
    """End an alert by hand; found again, it begins a new episode. Raises as `acknowledge` does."""
    return _change_alert(store, name, now, lambda alert: resolve_alert(alert, now, by, note))


def accept(
    store: AlertStore, fingerprints: Collection[str], by: str, now: datetime, note: str = ""
) -> tuple[Alert, ...]:
    """Resolve alerts whose findings a person accepted as usual; return those, without any that had ended."""
    after: list[Alert] = []

    def change_book(book: Book) -> tuple[Book, tuple[Message, ...]]:
        active = [book.alerts[each] for each in fingerprints if each in book.alerts and book.alerts[each].is_active]
        after[:] = [resolve_alert(each, now, by, note, accepted=True) for each in active]
        return replace(book, alerts={**book.alerts, **{each.fingerprint: each for each in after}}), ()

    store.change(change_book, now)
    return tuple(after)


def resolve_unwatched(store: AlertStore, whys: Mapping[str, str], now: datetime) -> None:
    """End alerts about what is no longer looked at, each with why.

    Args:
        whys: by fingerprint.
    """

    def change_book(book: Book) -> tuple[Book, tuple[Message, ...]]:
        active = {key: book.alerts[key] for key in whys if key in book.alerts and book.alerts[key].is_active}
        over = {key: resolve_alert(each, now, "feature-platform", whys[key]) for key, each in active.items()}
        return replace(book, alerts={**book.alerts, **over}), ()

    store.change(change_book, now)


def silence(
    store: AlertStore,
    asset: str,
    until: datetime,
    now: datetime,
    *,
    kind: str | None = None,
    column: str | None = None,
    downstream: bool = False,
    by: str = "",
    reason: str = "",
) -> Silence:
    """Silence the alerts of an asset, or of a pattern such as `views/*`, before `until`; see `Silence`.

    Silenced alerts are still found and stored. They notify after the silence if they have not ended by then.

    Raises:
        InvalidDeclaration: it would end before it begins.
    """
    if until <= now:
        raise InvalidDeclaration("A silence", f"would end at {until:%Y-%m-%d %H:%M}", "Give an end that is to come.")
    made = Silence(secrets.token_hex(4), asset, until, now, kind, column, downstream, by, reason)
    _change_silences(store, now, lambda silences: (*silences, made))
    return made


def unsilence(store: AlertStore, name: str, now: datetime) -> Silence:
    """End a silence now.

    Raises:
        UnknownAlert: there is no silence whose id begins like that, or more than one.
    """
    ending: list[Silence] = []

    def without(silences: tuple[Silence, ...]) -> tuple[Silence, ...]:
        ending[:] = [each for each in silences if name and each.id.startswith(name)]
        if len(ending) != 1:
            problem = "begins the id of several" if ending else "is not there"
            raise UnknownAlert("Silence", name, problem, "See `feature-platform alerts list`.")
        return tuple(each for each in silences if each not in ending)

    _change_silences(store, now, without)
    return ending[0]


def _change_alert(store: AlertStore, name: str, now: datetime, change: Callable[[Alert], Alert]) -> Alert:
    after: list[Alert] = []

    def change_book(book: Book) -> tuple[Book, tuple[Message, ...]]:
        alert = find_alert(book, name)
        if not alert.is_active:
            raise UnknownAlert("Alert", name, "has ended already", "See `feature-platform alerts list`.")
        after[:] = [change(alert)]
        return replace(book, alerts={**book.alerts, alert.fingerprint: after[0]}), ()

    store.change(change_book, now)
    return after[0]


def _change_silences(
    store: AlertStore, now: datetime, change: Callable[[tuple[Silence, ...]], tuple[Silence, ...]]
) -> None:
    """Change the silences, and the alerts of the very assets; those downstream follow at the next evaluation."""

    def change_book(book: Book) -> tuple[Book, tuple[Message, ...]]:
        silences = change(tuple(each for each in book.silences if now < each.until))
        ends = {
            key: max((each.until for each in silences if each.covers(alert, (), now)), default=None)
            for key, alert in book.alerts.items()
        }
        alerts = {key: replace(alert, silenced_until=ends[key]) for key, alert in book.alerts.items()}
        return replace(book, alerts=alerts, silences=silences), ()

    store.change(change_book, now)
