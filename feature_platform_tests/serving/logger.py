"""A process that logs answers until it is killed.

Usage: `python -m feature_platform_tests.serving.logger ROOT`. Prints how many were written whenever that changes.
"""

import sys
from itertools import count

import feature_platform as fp
from feature_platform.serving.request_log import RequestLog
from feature_platform_tests.serving.test_request_log import answered


def main(root: str) -> None:
    log, told = RequestLog(fp.OfflineStore(root), sample=1.0, capacity=50, flush_seconds=0.01), 0
    for number in count():
        log.record(answered(f"r{number}"))
        if log.written > told:
            told = log.written
            print(told, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
