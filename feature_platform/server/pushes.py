"""Pushes over HTTP: rows of a source, or feature rows of a view, as Feast's clients send them and as ours do.

What was answered with 200 is on disk, unless it was for the online store alone, and is read by the next request. The
work is done in one thread, so that the event loop never waits for a disk; the spool is emptied by another.
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
from feature_platform.server.answering import Answering
from feature_platform.server.applied import Applied
from feature_platform.server.columns import columns_of, frame_of
from feature_platform.server.emptying import Emptying
from feature_platform.server.limits import Limits
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics
from feature_platform.server.native import decoded
from feature_platform.server.openapi_pushes import push_paths
from feature_platform.server.publications import Publications
from feature_platform.server.routes import Answer, Asked, Route, Routes, as_json
from feature_platform.server.settings import Pushing
from feature_platform.serving.pushing import Target, push, write_features

T = TypeVar("T")
To = Literal["online", "offline", "online_and_offline"]
_WRITERS = 4  # views that are written to at once: each waits for the disk
_SETTLED_AFTER = 1.0  # seconds until the spool is told what is online; less than two times of emptying lie apart
_EMPTY = Answer(headers=())


class FeastPush(msgspec.Struct):
    """What Feast's clients push; what else they send is ignored."""

    push_source_name: str
    df: dict[str, list[object]]
    to: To = "online"  # as in Feast


class FeastWrite(msgspec.Struct):
    """What Feast's clients write."""

    feature_view_name: str
    df: dict[str, list[object]]


class Push(msgspec.Struct):
    """Rows of a source."""

    source: str
    rows: list[dict[str, object]]
    to: To = "online_and_offline"


_push = msgspec.json.Decoder(Push).decode
_feast_push = msgspec.json.Decoder(FeastPush).decode
_feast_write = msgspec.json.Decoder(FeastWrite).decode


class Pushes:
    """Takes the pushes of one process.

    Args:
        settings: where the spool and the offline store are.
    """

    def __init__(
        self,
        project: Project,
        online: OnlineStore,
        settings: Pushing,
        answering: Answering,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self.sources = {each.name: each for each in project.assets if isinstance(each, Source)}
        self.views = {each.name: each for each in project.assets if isinstance(each, FeatureView)}
        spool, offline = Spool(settings.spool, on_warning=self._notice), OfflineStore(**settings.offline)
        views, self._reader = list(self.views.values()), online.reader()
        self._applied, self._writers = Applied(spool), ThreadPoolExecutor(_WRITERS, thread_name_prefix="views")
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
        self.emptying = Emptying(sources, self.target, self._applied, answering, metrics, settings.flush_every)
        self.publications = Publications(project, self.target, answering)
        self._answering = answering
        self._limits = limits
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pushes")
        self._settling: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._log = logger()

    def routes(self) -> Routes:
        """The endpoints."""
        return {
            "/v1/push": Route("POST", self._native, scope="push"),
            "/push": Route("POST", self._feast, scope="push", feast=True),
            "/write-to-online-store": Route("POST", self._write, scope="push", feast=True),
            **self.publications.routes(),
        }

    def paths(self) -> dict[str, Any]:
        """What the OpenAPI document says of them."""
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

    async def _native(self, asked: Asked) -> Answer:
        request: Push = decoded(_push, asked.body)
        source = self._source(request.source)
        views = await self._in_thread(lambda: self._take(source, columns_of(request.rows), request.to))
        return as_json({"rows": len(request.rows), "views": views})

    async def _feast(self, asked: Asked) -> Answer:
        request: FeastPush = decoded(_feast_push, asked.body)
        source = self._source(request.push_source_name)
        await self._in_thread(lambda: self._take(source, request.df, request.to, naive_is_utc=True))
        return _EMPTY

    async def _write(self, asked: Asked) -> Answer:
        request: FeastWrite = decoded(_feast_write, asked.body)
        view = self.views.get(request.feature_view_name)
        if view is None:
            raise UnknownName("The project", "feature view", request.feature_view_name[:200], self.views)
        await self._in_thread(lambda: self._take_features(view, request.df))
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
        self._metrics.pushed(source.name, to, rows.height)
        return list(views)

    def _take_features(self, view: FeatureView, columns: dict[str, list[object]]) -> None:
        """Write feature rows; in the thread."""
        self._check_rows(columns)
        types = self.target.columns(view)
        rows = frame_of(view.name, columns, types, naive_is_utc=True)
        write_features(view, rows, self.target, now=self._answering.clock.now())
        self._metrics.pushed(view.name, "online", rows.height)

    def _notice(self, warning: FeaturePlatformWarning) -> None:
        """Tell what was noticed about the spool."""
        self._metrics.noticed(type(warning).__name__)
        self._log.warning("noticed about the spool", kind=type(warning).__name__, message=str(warning))

    def _check_rows(self, columns: dict[str, list[object]]) -> None:
        if not any(columns.values()):
            raise RequestRefused("has no rows", "Send at least one.")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """What is done one at a time; then what is read by this process is not older than what was done."""
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
        """Have the spool told of what is online, in the thread."""
        self._settling = None
        with suppress(RuntimeError):  # the thread has ended: it is told when the spool is emptied for the last time
            self._thread.submit(self._settle_now)

    def _settle_now(self) -> None:
        try:
            self._applied.settle()
        except SpoolFailed as error:
            self._metrics.failed("spool")
            self._log.error("the spool cannot be told what is online", error=type(error).__name__, message=str(error))
