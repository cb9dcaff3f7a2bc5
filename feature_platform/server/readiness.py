"""Readiness: which views of the project can be answered now, and which cannot, by name.

Ready means that what was published is served and that known identities are let in. A view that was never published is
named and makes no server unready, since else one new view would take all servers of the project out of the balancer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.online.base import OnlineStore, Reader
from feature_platform.server.auth import Gate
from feature_platform.server.catalogue import UNPUBLISHED, Offer, missing_views
from feature_platform.server.routes import Response, as_json

PROBE = 1.0  # seconds; balancers often wait no longer

Missing = Sequence[dict[str, str]]


class Readiness:
    """A check whether the views of a project can be read.

    The store is read in a thread of its own, by a reader of its own: a store that hangs blocks neither the event loop
    nor the threads that compute answers, and at most one probe waits for it.

    Args:
        probe: seconds that the store has to answer.

    Attributes:
        pushes: returns the report about pushes; None for a server that takes none.
    """

    def __init__(self, offer: Offer, store: OnlineStore, gate: Gate, probe: float = PROBE) -> None:
        self._offer = offer
        self._store = store
        self._gate = gate
        self._seconds = probe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._reader: Reader | None = None
        self._probe: Future[Missing] | None = None
        self._seen: set[str] = set()
        self._closed = False
        self.pushes: Callable[[], Mapping[str, object]] | None = None

    async def tell(self) -> Response:
        """Tell whether the server is ready: 200 with what is not published, or 503 with what is wrong as well."""
        self._gate.look()
        missing = await self._find_missing()
        names = {each["view"] for each in missing}
        problems = [] if self._gate.problem is None else [self._gate.problem]
        problems += [f"View `{each['view']}`: {each['why']}." for each in missing if each["why"] != UNPUBLISHED]
        if not problems and len(names) == len(self._offer.stored_views) > 0:
            problems.append("No view of the project was published.")
        services = {
            name: names.isdisjoint(view.name for view in service.stored_views)
            for name, service in self._offer.services.items()
        }
        body: dict[str, object] = {
            "ready": not problems,
            "problems": problems,
            "missing": missing,
            "services": services,
        }
        if self.pushes is not None:
            body["pushes"] = self.pushes()
        return as_json(body, 503 if problems else 200)

    def close(self) -> None:
        """Release the store when the running probe is done; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)

    async def _find_missing(self) -> Missing:
        """Return the views that cannot be read, and why; all of them when the store does not answer in time."""
        if self._probe is None or self._probe.done():
            self._probe = self._thread.submit(self._look)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._probe)), self._seconds)
        except TimeoutError:
            return self._all_missing(f"the online store does not answer within {self._seconds:g} s")
        except (
            FeaturePlatformError,
            OSError,
            ValueError,
        ):  # as in `background`: the store cannot be opened or followed
            return self._all_missing("the online store cannot be read")

    def _all_missing(self, why: str) -> Missing:
        return [{"view": view.name, "why": why} for view in self._offer.stored_views]

    def _look(self) -> Missing:
        if self._reader is None:
            self._reader = self._store.reader()
        self._reader.refresh()
        missing = missing_views(self._offer.stored_views, self._reader)
        names = {each["view"] for each in missing}
        self._seen |= {view.name for view in self._offer.stored_views if view.name not in names}
        return [_mark_gone(each) if each["view"] in self._seen else each for each in missing]

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def _mark_gone(missing: dict[str, str]) -> dict[str, str]:
    """Return the reason for a view that was there before; one that cannot be read for another reason keeps that."""
    gone = missing["why"] == UNPUBLISHED
    return {**missing, "why": "it was published and is not in the online store any more"} if gone else missing
