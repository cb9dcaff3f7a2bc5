"""From the server's answers to the request log: only answers in the sample are kept, and no answer waits.

Answers of declared services are kept; lists of features belong to no service, so nothing could be compared with them.
"""

from collections.abc import Callable
from uuid import uuid4

import msgspec

from feature_platform.compute.serving.answers import join_columns
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.server.answering import Answerer, FeatureAnswer
from feature_platform.serving.request_log import LoggedAnswer, RequestLog


def make_recorder(log: RequestLog, answering: Answerer) -> Callable[[FeatureAnswer], None]:
    """Return a function for `Answerer.on_answer` that writes sampled answers to a log."""

    def record_answer(answered: FeatureAnswer) -> None:
        request_id = uuid4().hex
        if answered.service not in answering.offer.services or not log.wants(request_id):
            return
        try:
            log.record(_log_entry_of(request_id, answered, answering))
        except FeaturePlatformError:  # a view that went away since: the answer is given, and is not logged
            return

    return record_answer


def _log_entry_of(request_id: str, answered: FeatureAnswer, answering: Answerer) -> LoggedAnswer:
    served = answering.catalogue.plan(answered.service).served
    rows = answered.answer
    return LoggedAnswer(
        request_id,
        answered.service,
        answered.now,
        msgspec.json.encode(dict(answered.entities)),
        list(served.types()),
        rows if isinstance(rows, bytes) else join_columns(rows, [], answered.height),
        {compiled.view.name: compiled.table.stamp for compiled in served.compiled_views()},
    )
