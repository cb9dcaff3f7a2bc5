"""A look that ends at some step of its own, by an exception or a kill; a step is a call of a function of the platform.

`python -m feature_platform_tests.monitoring.watching.taker ROOT STEP` looks at the shop in `ROOT/store` and is killed
at the step; where it is -1, it prints how many there are.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import feature_platform as fp
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.monitoring.watching import take_in
from feature_platform_tests.monitoring.watching.words import LATER, POLICY, shop

PACKAGE = str(Path(str(fp.__file__)).parent)


class Stopped(BaseException):
    """What nothing in the platform catches."""


def stop() -> None:
    raise Stopped


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def ending_at(step: int, end: Callable[[], None] = stop) -> Iterator[list[int]]:
    """Ends what is called in this block at a step; counts the steps."""
    steps = [0]

    def called(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            steps[0] += 1
            if steps[0] == step:
                end()

    sys.setprofile(called)
    try:
        yield steps
    finally:
        sys.setprofile(None)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    project, store, alerts = shop(), fp.OfflineStore(root / "store"), AlertStore(root / "alerts")
    with ending_at(int(sys.argv[2]), killed) as steps:
        take_in(project, store, alerts, POLICY, LATER)
    print(steps[0])
