"""Logs: one JSON object a line on standard error, for events and failures.

No line holds a value of an entity, unless the server was asked to log entities: tracebacks have neither variables nor
the text of the exception.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_TRACEBACKS = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))


def configure(level: str = "info", *, entities: bool = False) -> None:
    """Make this process log as the server does; what uvicorn says goes the same way.

    Args:
        entities: exceptions are logged with their text, which may hold values of a request.
    """
    shared = [*_SHARED, _TRACEBACKS] if entities else [*_SHARED, _TRACEBACKS, _without_text]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False),
            ],
        )
    )
    for name in ("feature_platform.server", "uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.error").propagate = True
    logging.getLogger("uvicorn.error").setLevel(
        logging.ERROR
    )  # the server logs the rest itself, or it is the mistake of a client
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for each in event.get("exception", ()):
        each["exc_value"] = ""
    return event


def logger() -> Any:
    """Return the logger of the server."""
    return structlog.get_logger("feature_platform.server")
