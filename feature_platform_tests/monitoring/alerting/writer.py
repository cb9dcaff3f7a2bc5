"""A process that changes alerts, for tests that kill it, starve it or race it.

Usage: `python -m feature_platform_tests.monitoring.alerting.writer TASK FOLDER [NAME]`; prints what it is sure of.
"""

import os
import resource
import signal
import sys

from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.monitoring.alerting import AlertStore, Evaluation, Policy, deliver_pending, evaluate
from feature_platform.parts.alert_channels import Log
from feature_platform_tests.monitoring.alerting.words import NOON, found

ROUNDS = 8
ALWAYS = Policy(budget=10_000)


class Fatal(Log):
    """Takes a message, and the process dies before it can say so."""

    def send(self, message):
        print(message.key, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


def rounds(store, name="", count=10**6):
    """One new alert an evaluation; each is printed when it is on the disk."""
    for number in range(count):
        finding = found(f"s{name}/{number}", severity="critical")
        evaluate(store, Evaluation(f"{name}-{number}", (finding,)), {}, ALWAYS, NOON)
        print(number, flush=True)


def racing(store, name):
    print("ready", flush=True)
    sys.stdin.readline()
    rounds(store, name, ROUNDS)


def killed_when_sent(store, _):
    deliver_pending(store, [Fatal("log", {})], NOON)


def starved(store, _):
    """A disk that takes no file of more than 120 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))
    try:
        rounds(store)
    except FeaturePlatformError as error:
        print(type(error).__name__, error)


if __name__ == "__main__":
    tasks = {each.__name__: each for each in (rounds, racing, killed_when_sent, starved)}
    tasks[sys.argv[1]](AlertStore(sys.argv[2]), *(sys.argv[3:] or [""]))
