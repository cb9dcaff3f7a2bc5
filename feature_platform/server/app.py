"""The ASGI application: finds the route, checks access, answers errors, counts.

It is bare ASGI, since a framework costs more than the answer. A route that is added is a line in `routes`; the
background of a process (following generations, settling metrics, looking at keys) is in `background`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from feature_platform.access import Identity
from feature_platform.declarations.project import Project
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline import OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.server import feast, native, pages
from feature_platform.server.alert_numbers import AlertNumbers
from feature_platform.server.answering import Answerer
from feature_platform.server.auth import Gate
from feature_platform.server.background import Background
from feature_platform.server.catalogue import Offer
from feature_platform.server.errors import error_response, response_of, status_of
from feature_platform.server.hosts import Hosts
from feature_platform.server.limits import Disconnected, Receive, read_body, too_large_error
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics
from feature_platform.server.pushes import PushEndpoints
from feature_platform.server.readiness import Readiness
from feature_platform.server.request_logging import make_recorder
from feature_platform.server.routes import Response, Route, Routes, ServerRequest
from feature_platform.server.settings import ServerSettings
from feature_platform.serving.request_log import RequestLog

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_CLOSE = (b"connection", b"close")


class FeatureServer:
    """One process of a feature server.

    Args:
        gate: decides who is let in.

    Attributes:
        answering: computes the answers; `answering.on_answer` is called with every answer to features.
        routes: the paths that can be requested.
    """

    def __init__(self, project: Project, store: OnlineStore, gate: Gate, settings: ServerSettings) -> None:
        self.metrics = Metrics(settings.metrics)
        self.answering = Answerer(Offer(project), store, settings.clock, settings.limits, self.metrics)
        self.readiness = Readiness(self.answering.offer, store, gate)
        self.pushes: PushEndpoints | None = None
        if settings.pushing is not None:
            limits = settings.limits
            self.pushes = PushEndpoints(project, store, settings.pushing, self.answering, limits, self.metrics)
            self.readiness.pushes = self.pushes.emptying.report
        self.request_log: RequestLog | None = None
        if settings.request_log_sample:
            self.request_log = RequestLog(OfflineStore(**settings.offline), sample=settings.request_log_sample)
            self.answering.on_answer = make_recorder(self.request_log, self.answering)
        self.routes: Routes = {
            **pages.page_routes(
                self.answering,
                self.metrics,
                AlertNumbers(settings.alerts, self.metrics),
                self.readiness,
                None if self.pushes is None else self.pushes.paths(),
            ),
            **native.native_routes(self.answering, settings.limits),
            **feast.feast_routes(self.answering, settings.limits),
        }
        if self.pushes is not None:
            self.routes = {**self.routes, **self.pushes.routes()}
        self.background = Background(self.answering, self.metrics, gate, settings.parent)
        self._gate = gate
        self._hosts = Hosts(settings.allowed_hosts, settings.host)
        self._limits = settings.limits
        self._log_entities = settings.log_entities
        self._log = logger()
        self._tallies = {path: self.metrics.tally(path) for path in self.routes}
        self._other = self.metrics.tally("other")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the start and the end of the process."""
        if scope["type"] != "http":
            await self._follow_lifespan(receive, send)
            return
        begun = time.perf_counter()
        path = scope["path"]
        route = self.routes.get(path)
        status = 500  # unless something else comes of it
        try:
            answer = await self._answer(route, scope, receive)
            status = answer.status
            length = (b"content-length", b"%d" % len(answer.body))
            await send({"type": "http.response.start", "status": status, "headers": [*answer.headers, length]})
            await send({"type": "http.response.body", "body": answer.body})
        except Disconnected:
            status = 499
        finally:
            tally = self._other if route is None else self._tallies[path]
            tally.add(status, time.perf_counter() - begun)
            if status == 500:
                self.metrics.count_failure("unexpected")

    def answer_at_once(self, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes | None) -> Response | None:
        """Answer a POST that needs no waiting, such as for a thread; return None for all others.

        Args:
            body: None where it was larger than the limit.
        """
        begun = time.perf_counter()
        route = self.routes.get(path)
        if route is None or route.quick is None:
            return None
        status = 500  # unless something else comes of it
        try:
            answer = self._answer_quickly(route, path, headers, body)
            status = 0 if answer is None else answer.status
        finally:
            if status:
                self._tallies[path].add(status, time.perf_counter() - begun)
            if status == 500:
                self.metrics.count_failure("unexpected")
                self._log.error("failed", path=path, exc_info=True)
        return answer

    def _answer_quickly(
        self, route: Route, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes | None
    ) -> Response | None:
        try:
            self._check_host(route, headers)
            identity = self._gate.identify_at_once(headers) if self._gate.shut else None
            if (identity is None and self._gate.shut) or route.quick is None:
                return None
            if body is None:
                raise too_large_error(self._limits.body)
            answer = route.quick(ServerRequest(body, b"", identity))
        except FeaturePlatformError as error:
            return self._refuse(route, path, error)
        if answer is not None:
            self._log_answer(path, identity, body)
        return answer

    async def _answer(self, route: Route | None, scope: MutableMapping[str, Any], receive: Receive) -> Response:
        """Return the answer of a route, or the refusal instead of it."""
        if route is None:
            return error_response(404, "UnknownPath", "There is nothing at this path. See /openapi.json.", feast=False)
        if scope["method"] != route.method:
            return self._wrong_method(route)
        try:
            self._check_host(route, scope["headers"])
            identity = None
            if self._gate.shut and not route.open:
                identity = await self._gate.identify(scope["headers"])
            body = await read_body(receive, self._limits.body) if route.method == "POST" else b""
            request = ServerRequest(body, scope["query_string"], identity)
            if route.scope is not None:
                request.require(route.scope)
            answer = await route.answer(request)
        except FeaturePlatformError as error:
            return self._refuse(route, scope["path"], error)
        if route.method == "POST":
            self._log_answer(scope["path"], identity, body)
        return answer

    def _check_host(self, route: Route, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Refuse requests for another host, and of web pages of other sites where requests need no identity."""
        unkeyed = not self._gate.shut
        if unkeyed or self._hosts.are_named:
            self._hosts.check(headers, posts=route.method == "POST", pages=unkeyed)

    def _log_answer(self, path: str, identity: Identity | None, body: bytes) -> None:
        if self._log_entities:
            name = None if identity is None else identity.name
            self._log.info("answered", path=path, identity=name, request=body.decode("utf-8", "replace"))

    def _refuse(self, route: Route, path: str, error: FeaturePlatformError) -> Response:
        status = status_of(error)
        if status >= 500:
            self.metrics.count_failure(type(error).__name__)
            self._log.error("failed", path=path, error=type(error).__name__, message=str(error))
        else:
            self._log.debug("refused", path=path, status=status, error=type(error).__name__)
        answer = response_of(error, feast=route.feast)
        if status in (401, 403, 413, 421):  # the rest of the request on the connection is not read
            answer = Response(answer.body, status, (*answer.headers, _CLOSE))
        return answer

    def _wrong_method(self, route: Route) -> Response:
        allowed = (b"allow", route.method.encode())
        message = f"This is asked with {route.method}."
        name = "FeastError" if route.feast else "WrongMethod"
        return error_response(405, name, message, feast=route.feast, headers=(allowed,))

    async def _follow_lifespan(self, receive: Receive, send: Send) -> None:
        """Start with the process, and end after the last request."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.background.start()
                if self.pushes is not None:
                    self.pushes.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                if self.pushes is not None:
                    await self.pushes.stop()
                await self.background.stop()
                self.answering.close()
                self.readiness.close()
                if self.request_log is not None:
                    await asyncio.to_thread(self.request_log.close)
                await send({"type": "lifespan.shutdown.complete"})
                return
