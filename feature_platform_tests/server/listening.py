"""A server that listens, in a thread of this process: what goes over the wire, without the cost of a process."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from feature_platform.server.protocol import GuardedProtocol
from feature_platform.server.run import _config, bound_socket
from feature_platform.server.settings import ServerSettings


@contextmanager
def listening(settings: ServerSettings) -> Iterator[int]:
    """The port of a server that is stopped in the end; what it changes in the process is put back."""
    before, switch, thresholds = GuardedProtocol.limits, sys.getswitchinterval(), gc.get_threshold()
    bound = bound_socket("127.0.0.1", 0)
    server = uvicorn.Server(_config(settings, 1))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        GuardedProtocol.limits = before
        sys.setswitchinterval(switch)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
