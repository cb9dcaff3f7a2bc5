"""The HTTP protocol of uvicorn with httptools, and the limits that it lacks.

A head may not be larger, and a request may not take longer to come, than the limits say; an answer that nobody reads
is given up. A client that offers another protocol (`Upgrade: h2c`, as Java's does) is answered over HTTP/1.1.
A look-up is answered where its last byte comes in, without a task: it waits for nothing, and a task costs as much as
the answer. Head and body leave in one system call.
"""

from asyncio import AbstractEventLoop, BaseTransport, TimerHandle, Transport
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from feature_platform.server import feast, native
from feature_platform.server.limits import DRAINED, Limits
from feature_platform.server.routes import Response

_LOOK_EVERY = 1.0  # seconds
_CLOSE = (b"connection", b"close")
QUICK = {path.encode(): path for path in (native.PATH, feast.PATH)}


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._since: float | None = None  # when the request that is not all there began, or the silence before it
        self._stuck_since: float | None = None
        self._head = -1  # bytes of the head that is not all there, without those of a read that it shares with others
        self._begun = 0  # how many requests began in this read
        self._whole = True  # whether the last request is all there
        self._offers = False  # whether the request offers another protocol
        self._refusal = 400
        self._refusing = 0  # the status of a refusal that waits for the answers to earlier requests
        self._look_timer: TimerHandle | None = None
        self._idle_since: float | None = None
        self._quick = ""  # the path of the request that is to be answered at once
        self._body: list[bytes] = []
        self._size = 0
        self._ends = False

    def connection_made(self, transport: BaseTransport) -> None:
        self._out = _GatheringTransport(transport, self.loop)
        super().connection_made(self._out)  # type: ignore[arg-type]
        self._since = self.loop.time()
        self._look_timer = self.loop.call_later(_LOOK_EVERY, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        limit = self.limits.head
        if len(data) <= limit:
            self._read(data)
            return
        for start in range(0, len(data), limit):  # so that a head that is all in one piece is known to be small enough
            self._read(data[start : start + limit])

    def _read(self, data: bytes) -> None:
        """Parse the bytes that came, at most as many as a head may have."""
        rest, alone = data, self._whole
        self._begun = 0
        while rest and not (self._refusing or self.transport.is_closing()):  # refused: the rest is thrown away
            rest = self._parse(rest)
        if self._head < 0:
            return
        if self._begun == 0 or (self._begun == 1 and alone):
            self._head += len(data)
        if self._head > self.limits.head:
            self._refuse(431)

    def _parse(self, data: bytes) -> bytes:
        """Parse some bytes; return the rest behind the head of a request that offers another protocol."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._head_without_offer() + data[offer.args[0] :]
        except httptools.HttpParserError:
            self._refuse(self._refusal)
        return b""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since, self._head, self._idle_since = self.loop.time(), 0, None
        self._begun += 1
        self._whole = False

    def on_headers_complete(self) -> None:
        too_many = len(self.headers) > self.limits.headers
        if too_many or (self._begun == 0 and self._head_size() > self.limits.head):
            self._refusal = 431
            raise ValueError("too large a head")  # makes the parser stop; the client gets the status in `_refusal`
        self._head = -1
        self._offers = self.parser.should_upgrade()
        if self._offers:
            self._check_offer()
            return
        self._quick = QUICK.get(self.url, "") if self._is_free() else ""
        if self._quick:
            self._body, self._size = [], 0
        else:
            super().on_headers_complete()

    def _check_offer(self) -> None:
        """Refuse to be a proxy: to that offer there is no answer over HTTP/1.1."""
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("CONNECT")

    def _head_without_offer(self) -> bytes:
        """Return the head of the last request without its offer: the parser takes the body for another protocol."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        others = [b"%b: %b\r\n" % each for each in self.headers if each[0] not in (b"upgrade", b"connection")]
        wishes = [word.strip() for name, value in self.headers if name == b"connection" for word in value.split(b",")]
        left = b", ".join(word for word in wishes if word.lower() != b"upgrade")
        connection = b"connection: %b\r\n" % left if left else b""
        return b"%b %b HTTP/%b\r\n%b%b\r\n" % (method, self.url, version, b"".join(others), connection)

    def on_body(self, body: bytes) -> None:
        if not self._quick:
            super().on_body(body)
            return
        self._size += len(body)
        if self._size <= self.limits.body:
            self._body.append(body)
        elif self._size > self.limits.body * DRAINED:
            self._refuse(413)

    def on_message_complete(self) -> None:
        self._since = None
        self._whole = True
        if self._offers:
            return
        if not self._quick:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self._answer_at_once()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refusing and self.cycle.response_complete:
            status, self._refusing = self._refusing, 0
            self._refuse(status)

    def shutdown(self) -> None:
        self._ends = True
        if not self._quick:
            super().shutdown()

    def _is_free(self) -> bool:
        """Tell whether the connection allows a POST to be answered at once; uvicorn handles all others."""
        free = (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
        known = not self.expect_100_continue
        return (
            free and known and len(self.connections) < self.limits.connections and self.parser.get_method() == b"POST"
        )

    def _answer_at_once(self) -> None:
        """Answer without a task; leave to uvicorn what has to wait."""
        path, self._quick = self._quick, ""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        answer = self._answer(path, body if self._size <= self.limits.body else None)
        if answer is None:
            super().on_headers_complete()
            super().on_body(body)
            super().on_message_complete()
            if self._ends:
                super().shutdown()
            return
        keep = not self._ends and self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        self.transport.write(_bytes_of(answer, self.server_state.default_headers, keep=keep))
        self.server_state.total_requests += 1
        if not keep or _CLOSE in answer.headers:
            self.transport.close()

    def _answer(self, path: str, body: bytes | None) -> Response | None:
        answered = False
        try:
            answer: Response | None = self.app.answer_at_once(path, self.headers, body)
            answered = True
        finally:
            if not answered:  # a fault of the server: the client gets a 500, the event loop logs it and closes
                self._refuse(500)
        return answer

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _look(self) -> None:
        """Give up a request that does not come, and an answer that nobody reads."""
        now, limit = self.loop.time(), self.limits.read
        stuck = self.transport.is_closing() or self.flow.write_paused  # nobody takes what was written
        self._stuck_since = (self._stuck_since or now) if stuck else None
        if self._stuck_since is not None:
            if now - self._stuck_since > (limit if self.transport.is_closing() else self.timeout_keep_alive):
                self.transport.abort()
                return
        elif self._since is not None:
            if now - self._since > limit:
                self._refuse(408)
        elif self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
            self._idle_since = self._idle_since or now
            if now - self._idle_since > self.timeout_keep_alive:
                self.transport.close()
        self._look_timer = self.loop.call_later(_LOOK_EVERY, self._look)

    def _refuse(self, status: int) -> None:
        """Say why and close, after the answers to earlier requests; close at once when the answer is under way."""
        if self.transport.is_closing() or self._refusing:
            return
        if self._head >= 0 and self.cycle is not None and not self.cycle.response_complete:
            self._refusing = status
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            closing = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + closing)
            self._out.end()
        else:
            self._out.close()


def _bytes_of(answer: Response, defaults: list[tuple[bytes, bytes]], *, keep: bool) -> bytes:
    """Return an answer as the bytes that are sent."""
    headers = [b"%b: %b\r\n" % each for each in (*defaults, *answer.headers)]
    if not keep and _CLOSE not in answer.headers:
        headers.append(b"connection: close\r\n")
    head = b"".join(headers)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (STATUS_LINE[answer.status], head, len(answer.body), answer.body)


class _GatheringTransport:
    """A transport that joins all writes of one turn of the event loop into one."""

    def __init__(self, transport: Any, loop: AbstractEventLoop) -> None:
        self._transport: Transport = transport
        self._loop = loop
        self._chunks: list[bytes] = []
        self._ended = False
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        if not self._chunks:
            self._loop.call_soon(self._flush)
        self._chunks.append(data)

    def is_closing(self) -> bool:
        return self._ended or self._transport.is_closing()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def end(self) -> None:
        """Write what is left, and let the client close; `GuardedProtocol._look` aborts if it does not.

        To close while the client still sends makes the system reset the connection, and the client then may never
        read why it was refused.
        """
        self._flush()
        if self._transport.can_write_eof():
            self._ended = True
            self._transport.resume_reading()  # else the end of the client is not seen
            self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _flush(self) -> None:
        chunks, self._chunks = self._chunks, []
        if chunks and not self.is_closing():
            self._transport.write(b"".join(chunks))
