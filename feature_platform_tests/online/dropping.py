"""A connection that breaks: what lies between a client and a server, and loses one answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Dropping:
    """Passes bytes on in both directions, and breaks a connection instead of passing on an answer that was marked.

    The server has done what was asked when the client learns that the connection is gone.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.answers = 0
        self.lost: int | None = None

    def serve(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.server)
                threading.Thread(target=self.pass_on, args=[near, far], daemon=True).start()
                threading.Thread(target=self.answer, args=[far, near], daemon=True).start()

    def pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(2**16):
                far.sendall(data)
        close(near, far)

    def answer(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(2**16):
                self.answers += 1
                if self.answers == self.lost:
                    break
                near.sendall(data)
        close(near, far)


def close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def dropping(address: str, folder: Path) -> Iterator[tuple[str, Dropping]]:
    """The address of such a connection to the server at an address."""
    between = Dropping(address.removeprefix("unix://"))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "s"))
    listening.listen()
    thread = threading.Thread(target=between.serve, args=[listening], daemon=True)
    thread.start()
    try:
        yield f"unix://{folder / 's'}", between
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
