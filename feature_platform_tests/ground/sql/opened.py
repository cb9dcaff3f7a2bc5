"""Which files of a folder were opened, asked of the kernel: Python's audit hooks do not see what Rust opens."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_OPEN, _NON_BLOCKING = 0x20, 0x800
_EVENT = struct.Struct("iIII")


@contextmanager
def watching(folder: Path) -> Iterator["Opened"]:
    """Watch the files of a folder, made before."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(_NON_BLOCKING)
    if handle < 0 or libc.inotify_add_watch(handle, os.fsencode(folder), _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    try:
        yield Opened(handle)
    finally:
        os.close(handle)


class Opened:
    """The names of files that were opened, and not asked for before."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def names(self) -> set[str]:
        try:
            events = os.read(self._handle, 65_536)
        except BlockingIOError:
            return set()
        found, position = set(), 0
        while position < len(events):
            *_, length = _EVENT.unpack_from(events, position)
            start = position + _EVENT.size
            found.add(events[start : start + length].rstrip(b"\0").decode())
            position = start + length
        return found - {""}
