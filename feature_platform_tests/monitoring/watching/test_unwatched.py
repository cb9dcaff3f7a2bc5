"""What is no longer looked at ends, and says why; alerts of other projects are theirs."""

from dataclasses import replace

import pytest

import feature_platform as fp
from feature_platform_tests.monitoring.watching.test_runs_and_writes import refused
from feature_platform_tests.monitoring.watching.words import Watcher, day, materialize, monitored, row, shop
from feature_platform_tests.shop import at

ORDERS, SPENDING = "sources/orders", "views/spending"


def drift(column: str | None, kind: str = "drift") -> dict[str, object]:
    window = at(8) if kind == "drift" else None
    return row(kind, day(9), column=column, window=window, alarm=True, metric="ks", score=0.5)


@pytest.mark.parametrize(
    ("asset", "found", "words", "why"),
    [
        (ORDERS, drift("amount"), {"monitor": None}, f"{ORDERS} has no monitor any more"),
        (ORDERS, drift(None, "multivariate"), {"monitor": None}, f"{ORDERS} has no monitor any more"),
        (ORDERS, drift("amount"), {"monitor": fp.Monitor(columns=["customer_id"])},
         f"the monitor of {ORDERS} no longer compares amount"),
        (ORDERS, drift("tip", "dead"), {}, f"{ORDERS} has no column tip any more"),
    ],
)  # fmt: skip
def test_an_alert_about_what_is_no_longer_compared_ends_and_says_why(watcher, asset, found, words, why):
    monitored(watcher.store, asset, found)
    [opened] = watcher.looks()

    assert watcher.looks(shop(**words)) == [opened.replace("opened", "resolved")]

    [message] = watcher.taken.messages
    assert f"State:        resolved by feature-platform: {why}" in message.text
    assert watcher.looks(shop(**words), hours=24 * 30) == []


def test_an_alert_of_an_asset_that_is_removed_or_renamed_ends_and_one_of_another_project_does_not(watcher):
    monitored(watcher.store, SPENDING, row("volume", day(9), alarm=True))
    assert watcher.looks() == ["opened volume in views/spending"]
    rest = replace(shop(), declarations=tuple(each for each in shop().declarations if each.name != "spending"))

    assert watcher.looks(replace(rest, name="another")) == []
    assert watcher.looks(rest) == ["resolved volume in views/spending"]
    assert "views/spending is no longer declared" in watcher.taken.messages[0].text
    assert watcher.looks(rest, hours=24 * 30) == []


def test_an_alert_of_a_source_that_declares_no_freshness_any_more_ends(store, alerts):
    fresh = shop(days=None, freshness="1d", monitor=None)
    materialize(fresh, store, 10)
    watcher = Watcher(fresh, store, alerts)
    assert "opened freshness" in " ".join(watcher.looks())
    assert "resolved freshness in sources/orders" in " ".join(watcher.looks(shop(days=None, monitor=None)))
    assert "declares no freshness any more" in " ".join(each.text for each in watcher.taken.messages)


def test_a_cursor_that_is_lost_after_the_clean_up_tells_nothing_again(watcher):
    for number in (6, 7, 8, 9):
        monitored(watcher.store, ORDERS, row("volume", day(number), alarm=number == 6, severity="critical"))
        watcher.looks()
    assert watcher.open() == []
    watcher.alerts.forget(watcher.now.replace(year=2030))
    watcher.cursor = None

    assert watcher.looks() == []

    [alert] = watcher.alerts.book().alerts.values()
    assert (alert.episode, watcher.alerts.history(alert.fingerprint)) == (1, ())


def test_a_refused_run_is_not_taken_in_again_without_a_cursor(watcher):
    refused(watcher.store)
    assert watcher.looks() == ["opened expectations in sources/orders"]
    [alert] = watcher.alerts.book().alerts.values()
    watcher.alerts.forget(watcher.now.replace(year=2030))
    watcher.cursor = None
    assert watcher.looks() == []
    assert watcher.alerts.history(alert.fingerprint) == ()
