"""A consumer in a process of its own, which tests kill: `python -m feature_platform_tests.streaming.consuming ...`.

It prints a line when it begins to read, and then takes a few messages at a time until it is ended.
"""

import sys
from pathlib import Path

from feature_platform.streaming import running
from feature_platform_tests.streaming.payments import Payments


def main(folder: str, address: str, topic: str, machine: str) -> None:
    running.MOST_AT_ONCE = 40
    shop = Payments(Path(folder), address, topic)
    begun: list[bool] = []

    def should_stop() -> bool:
        if not begun:
            print("ready", flush=True)
            begun.append(True)
        return False

    shop.run(machine).run(should_stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
