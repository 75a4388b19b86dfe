"""Kafka clients log every attempt of every outage; here their warnings become one line every ten seconds."""

from __future__ import annotations

import logging
from typing import Final

import structlog

from monitor.sources.seldom import Seldom

log = structlog.get_logger(__name__)
_LOGGERS: Final = ("kafka", "librdkafka")


class ClientLogHandler(logging.Handler):
    """Hands a client's warnings on, at most one every ``every`` seconds."""

    def __init__(self, every: float = 10.0) -> None:
        super().__init__(logging.WARNING)
        self._seldom = Seldom(every)
        self.last = ""
        """The latest message, handed on or not."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's message on, without its traceback."""
        self.last = record.getMessage()
        if (more := self._seldom.allow()) is not None:
            log.warning("kafka client", problem=self.last, held_back=more)


def quiet_client_logs() -> ClientLogHandler:
    """Route the clients' own loggers through one ``ClientLogHandler``; calling it again changes nothing."""
    for handler in logging.getLogger(_LOGGERS[0]).handlers:
        if isinstance(handler, ClientLogHandler):
            return handler
    handler = ClientLogHandler()
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.addHandler(handler)
    return handler
