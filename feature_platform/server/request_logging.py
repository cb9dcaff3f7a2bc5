"""From the server's answers to the request log: only what is in the sample is written down, and no answer waits.

Answers of declared services are kept; lists of features belong to no service, so nothing could be compared with them.
"""

from collections.abc import Callable
from uuid import uuid4

import msgspec

from feature_platform.compute.serving.answers import join_columns
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.server.answering import Answered, Answering
from feature_platform.serving.request_log import Answered as Logged
from feature_platform.serving.request_log import RequestLog


def logging_to(log: RequestLog, answering: Answering) -> Callable[[Answered], None]:
    """What `Answering.told` is to be, so that sampled answers come into a log."""

    def told(answered: Answered) -> None:
        request_id = uuid4().hex
        if answered.service not in answering.offer.services or not log.wants(request_id):
            return
        try:
            log.record(_logged(request_id, answered, answering))
        except FeaturePlatformError:  # a view that went away since: the answer is given, and is not logged
            return

    return told


def _logged(request_id: str, answered: Answered, answering: Answering) -> Logged:
    served = answering.catalogue.plan(answered.service).served
    rows = answered.answer
    return Logged(
        request_id,
        answered.service,
        answered.now,
        msgspec.json.encode(dict(answered.entities)),
        list(served.types()),
        rows if isinstance(rows, bytes) else join_columns(rows, [], answered.height),
        {held.view.name: held.table.stamp for held in served.held()},
    )
