"""Pushes over HTTP: rows of a source, or feature rows of a view, as Feast's clients or ours send them.

A push that was answered with 200 is on disk, unless it was for the online store alone, and the next request reads it.
One thread takes the pushes, so that the event loop never waits for a disk; another one empties the spool.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal, TypeVar

import msgspec

from feature_platform.declarations.project import Project
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformWarning, RequestRefused, ServerBusy, SpoolFailed, UnknownName
from feature_platform.offline import OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.online.spool import Spool
from feature_platform.server.answering import Answerer
from feature_platform.server.applied import AppliedPushes
from feature_platform.server.columns import columns_from_rows, frame_of
from feature_platform.server.emptying import SpoolEmptier
from feature_platform.server.limits import Limits
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics
from feature_platform.server.native import decode_body
from feature_platform.server.openapi_pushes import push_paths
from feature_platform.server.publications import Publications
from feature_platform.server.routes import Response, Route, Routes, ServerRequest, as_json
from feature_platform.server.settings import PushSettings
from feature_platform.serving.applying import Target
from feature_platform.serving.pushing import push, write_features

T = TypeVar("T")
To = Literal["online", "offline", "online_and_offline"]
_WRITERS = 4  # views that are written to at once: each waits for the disk
_SETTLED_AFTER = 1.0  # seconds until pushes are marked as online in the spool; less than from one emptying to the next
_EMPTY = Response(headers=())


class FeastPush(msgspec.Struct):
    """The body of a push of Feast's clients; other fields are ignored."""

    push_source_name: str
    df: dict[str, list[object]]
    to: To = "online"  # as in Feast


class FeastWrite(msgspec.Struct):
    """The body of a write of Feast's clients."""

    feature_view_name: str
    df: dict[str, list[object]]


class Push(msgspec.Struct):
    """The body of a push: rows of a source."""

    source: str
    rows: list[dict[str, object]]
    to: To = "online_and_offline"


_push = msgspec.json.Decoder(Push).decode
_feast_push = msgspec.json.Decoder(FeastPush).decode
_feast_write = msgspec.json.Decoder(FeastWrite).decode


class PushEndpoints:
    """The endpoints that take pushes, and the parts behind them, of one process.

    Args:
        settings: where the spool and the offline store are.
    """

    def __init__(
        self,
        project: Project,
        online: OnlineStore,
        settings: PushSettings,
        answering: Answerer,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self.sources = {each.name: each for each in project.assets if isinstance(each, Source)}
        self.views = {each.name: each for each in project.assets if isinstance(each, FeatureView)}
        spool, offline = Spool(settings.spool, on_warning=self._notice), OfflineStore(**settings.offline)
        views, self._reader = list(self.views.values()), online.reader()
        self._applied, self._writers = AppliedPushes(spool), ThreadPoolExecutor(_WRITERS, thread_name_prefix="views")
        self.target = Target(
            views,
            spool,
            offline,
            online,
            project.partitions,
            reader=self._reader,
            applied=self._applied.note,
            each=self._writers.map,
        )
        sources = list(self.sources.values())
        self.emptying = SpoolEmptier(sources, self.target, self._applied, answering, metrics, settings.flush_every)
        self.publications = Publications(project, self.target, answering)
        self._answering = answering
        self._limits = limits
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pushes")
        self._settling: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._log = logger()

    def routes(self) -> Routes:
        """Return the endpoints."""
        return {
            "/v1/push": Route("POST", self._push_native, scope="push"),
            "/push": Route("POST", self._push_feast, scope="push", feast=True),
            "/write-to-online-store": Route("POST", self._write, scope="push", feast=True),
            **self.publications.routes(),
        }

    def paths(self) -> dict[str, Any]:
        """Return their paths for the OpenAPI document."""
        return push_paths(list(self.sources), list(self.views))

    def start(self) -> None:
        """Begin to empty the spool; on the event loop."""
        self.emptying.start()

    async def stop(self) -> None:
        """Finish what runs, and empty the spool."""
        if self._settling is not None:
            self._settling.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._writers.shutdown)
        await asyncio.gather(self.publications.stop(), self.emptying.stop())
        self.close()

    def close(self) -> None:
        """Release the store."""
        self._reader.close()

    async def _push_native(self, request: ServerRequest) -> Response:
        body: Push = decode_body(_push, request.body)
        source = self._source(body.source)
        views = await self._run_in_thread(lambda: self._take(source, columns_from_rows(body.rows), body.to))
        return as_json({"rows": len(body.rows), "views": views})

    async def _push_feast(self, request: ServerRequest) -> Response:
        body: FeastPush = decode_body(_feast_push, request.body)
        source = self._source(body.push_source_name)
        await self._run_in_thread(lambda: self._take(source, body.df, body.to, naive_is_utc=True))
        return _EMPTY

    async def _write(self, request: ServerRequest) -> Response:
        body: FeastWrite = decode_body(_feast_write, request.body)
        view = self.views.get(body.feature_view_name)
        if view is None:
            raise UnknownName("The project", "feature view", body.feature_view_name[:200], self.views)
        await self._run_in_thread(lambda: self._take_features(view, body.df))
        return as_json(None)

    def _source(self, name: str) -> Source:
        if name not in self.sources:
            raise UnknownName("The project", "push source", name[:200], self.sources)
        return self.sources[name]

    def _take(
        self, source: Source, columns: dict[str, list[object]], to: To, *, naive_is_utc: bool = False
    ) -> list[str]:
        """Push rows; in the thread."""
        self._check_rows(columns)
        types = self.target.columns(source)
        rows = frame_of(source.name, columns, types, naive_is_utc=naive_is_utc)
        views = push(source, rows, self.target, now=self._answering.clock.now(), to=to)
        self._metrics.count_push(source.name, to, rows.height)
        return list(views)

    def _take_features(self, view: FeatureView, columns: dict[str, list[object]]) -> None:
        """Write feature rows; in the thread."""
        self._check_rows(columns)
        types = self.target.columns(view)
        rows = frame_of(view.name, columns, types, naive_is_utc=True)
        write_features(view, rows, self.target, now=self._answering.clock.now())
        self._metrics.count_push(view.name, "online", rows.height)

    def _notice(self, warning: FeaturePlatformWarning) -> None:
        """Count and log what was noticed about the spool."""
        self._metrics.count_notice(type(warning).__name__)
        self._log.warning("noticed about the spool", kind=type(warning).__name__, message=str(warning))

    def _check_rows(self, columns: dict[str, list[object]]) -> None:
        if not any(columns.values()):
            raise RequestRefused("has no rows", "Send at least one.")

    async def _run_in_thread(self, work: Callable[[], T]) -> T:
        """Do some work, one at a time; afterwards this process reads nothing older than its outcome."""
        if self._waiting >= self._limits.waiting:
            raise ServerBusy(f"has {self._waiting} pushes to take already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1
            self._answering.refresh()
            if len(self._applied) and self._settling is None:
                self._settling = asyncio.get_running_loop().call_later(_SETTLED_AFTER, self._settle)

    def _settle(self) -> None:
        """Mark in the spool which pushes are online, in the thread."""
        self._settling = None
        with suppress(
            RuntimeError
        ):  # the thread has ended: they are marked when the spool is emptied for the last time
            self._thread.submit(self._settle_now)

    def _settle_now(self) -> None:
        try:
            self._applied.settle()
        except SpoolFailed as error:
            self._metrics.count_failure("spool")
            self._log.error("the spool cannot be told what is online", error=type(error).__name__, message=str(error))
