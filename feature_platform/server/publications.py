"""Publishing over HTTP, at the paths where Feast's clients ask for it: the newest offline values go online.

The newest version of a table is published, whatever moments a request names; they are checked, and not used.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timezone
from functools import partial
from threading import Thread
from types import TracebackType
from urllib.parse import parse_qs

import msgspec

from feature_platform.declarations.project import Project
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError, RequestRefused, ServerBusy, UnknownName
from feature_platform.server.answering import Answerer
from feature_platform.server.emptying import GRACE
from feature_platform.server.errors import error_response
from feature_platform.server.logs import logger
from feature_platform.server.native import decode_body
from feature_platform.server.routes import Response, Route, Routes, ServerRequest, as_json
from feature_platform.serving.applying import Target
from feature_platform.serving.publication import publish, publish_statistics


class Materialize(msgspec.Struct):
    """The body that Feast's clients send; other fields are ignored."""

    end_ts: str | None = None
    start_ts: str | None = None
    feature_views: list[str] | None = None


_decode = msgspec.json.Decoder(Materialize).decode


class Publications:
    """The endpoints that publish, in one thread and one request at a time.

    Args:
        grace: seconds that stopping waits for the view that is being published.
    """

    def __init__(self, project: Project, target: Target, answering: Answerer, grace: float = GRACE) -> None:
        self._project = project
        self._target = target
        self._answering = answering
        self._views: Mapping[str, FeatureView] = {each.name: each for each in target.views}
        self._grace = grace
        self._stops = False
        self._running: asyncio.Task[None] | None = None
        self._log = logger()

    def routes(self) -> Routes:
        """Return the endpoints."""
        return {
            "/materialize": Route("POST", self._materialize, scope="admin", feast=True),
            "/materialize-incremental": Route("POST", self._materialize, scope="admin", feast=True),
        }

    async def stop(self) -> None:
        """Stop after the view that is being published; published views stay, and the next publication does the rest.

        A view that takes longer than the grace is not waited for: a publication that is killed leaves what was served
        before.
        """
        self._stops = True
        if self._running is None:
            return
        _, late = await asyncio.wait([self._running], timeout=self._grace)
        if late:
            self._log.warning("a publication was not waited for", seconds=self._grace)

    async def _materialize(self, request: ServerRequest) -> Response:
        body: Materialize = decode_body(_decode, request.body)
        _check_moments(body)
        views = self._find_views(body.feature_views)
        if self._running is not None and not self._running.done():
            message = "A publication is running already. Ask again when it is done."
            return error_response(409, "FeastError", message, feast=True)
        self._running = asyncio.create_task(self._publish_aside(views, whole=not body.feature_views))
        if parse_qs(request.query.decode("latin-1")).get("async", [""])[-1].lower() in ("true", "1"):
            self._running.add_done_callback(self._log_failure)
            return as_json(None, 202)
        await asyncio.shield(self._running)
        return as_json(None)

    def _find_views(self, names: Sequence[str] | None) -> Sequence[FeatureView]:
        for name in names or ():
            if name not in self._views:
                raise UnknownName("The project", "feature view", name[:200], self._views)
        return [self._views[name] for name in dict.fromkeys(names)] if names else list(self._views.values())

    async def _publish_aside(self, views: Sequence[FeatureView], *, whole: bool) -> None:
        done: Future[None] = Future()
        work = partial(self._publish, _OutcomeRelay(done), views, whole=whole)
        Thread(target=work, name="publication", daemon=True).start()  # which the end of the process does not wait for
        await asyncio.wrap_future(done)
        self._answering.refresh()

    def _publish(self, relay: "_OutcomeRelay", views: Sequence[FeatureView], *, whole: bool) -> None:
        store, online, now = self._target.store, self._target.online, self._answering.clock.now()
        with relay:
            for number, view in enumerate(views):
                self._check_goes_on([each.name for each in views[number:]])
                publish(view, store, online, now=now)
            for service in self._project.services if whole else ():
                self._check_goes_on([f"the statistics of {service.name}"])
                publish_statistics(service, store, online, now)

    def _check_goes_on(self, left: Sequence[str]) -> None:
        if self._stops:
            raise ServerBusy(f"stops, and has not published {', '.join(left)}")

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, FeaturePlatformError):
            self._log.error("a publication failed", error=type(error).__name__, message=str(error))
        elif error is not None:
            self._log.error("a publication failed", exc_info=error)


class _OutcomeRelay:
    """A block that runs in another thread, whose outcome (its end, or its error) becomes that of a future."""

    def __init__(self, waited_for: "Future[None]") -> None:
        self._waited_for = waited_for

    def __enter__(self) -> None:
        self._waited_for.set_running_or_notify_cancel()  # from here on it cannot be cancelled

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self._waited_for.set_result(None)
        else:
            self._waited_for.set_exception(error)
        return True  # it is raised where it is waited for


def _check_moments(body: Materialize) -> None:
    moments = {}
    for name in ("start_ts", "end_ts"):
        text = getattr(body, name)
        try:
            moments[name] = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            raise RequestRefused(f"has a `{name}` that is no time", "Write it as in 2013-03-01T09:00:00Z.") from None
    start, end = (moment and _utc(moment) for moment in moments.values())
    if start is not None and end is not None and start > end:
        raise RequestRefused("has a `start_ts` that is after its `end_ts`", "Swap them.")


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
