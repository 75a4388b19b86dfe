"""The service's log: one line an event, JSON unless a person is looking, secrets masked.

Everything that logs through ``structlog`` or through the standard library (kafka-python, uvicorn, APScheduler,
warnings, uncaught exceptions) takes the same way out.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.config.root import LogConfig
from monitor.redaction import MASK, is_secret_name, redact

_MAX_TEXT: Final = 4_096
_MAX_TRACEBACK: Final = 32_768
_MAX_SCANNED: Final = 65_536
_MAX_ITEMS: Final = 100
_MAX_DEPTH: Final = 5
_MAX_KEYS: Final = 1_024
_CHATTY: Final = ("kafka", "uvicorn", "apscheduler", "asyncio")
_OWN: Final = structlog.get_logger("driftline")


def configure(config: LogConfig, stream: TextIO | None = None) -> None:
    """Send every log of this process to ``stream`` (standard error by default).

    ``format: auto`` writes for people on a terminal and JSON elsewhere; ``NO_COLOR`` is obeyed. Calling it again
    replaces what it set up before.
    """
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    level = logging.getLevelNamesMapping()[config.level.upper()]
    console = config.format == "console" or (config.format == "auto" and terminal)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_secrets,
                *_renderers(console=console, colors=terminal and "NO_COLOR" not in os.environ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Return the event as plain values, bounded in size, without secrets. A structlog processor."""
    return {_text(str(name), _MAX_TEXT): _plain(value, str(name), _MAX_DEPTH) for name, value in event.items()}


def _renderers(*, console: bool, colors: bool) -> list[Processor]:
    if not console:
        return [_ordered, structlog.processors.JSONRenderer(serializer=_to_json)]
    renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return [_printable, renderer]


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = ("timestamp", "level", "event")
    return {**{name: event[name] for name in first if name in event}, **event}


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what would move the cursor or forge a line, except in tracebacks, whose line breaks are wanted."""
    return {name: _escape(value, keep="\n" if name == "exception" else "") for name, value in event.items()}


def _escape(value: object, keep: str) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        character if character.isprintable() or character in keep else character.encode("unicode_escape").decode()
        for character in value
    )


def _plain(value: object, name: str, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret_name(name):
        return MASK
    if isinstance(value, Mapping) and depth:
        items = list(value.items())[:_MAX_ITEMS]
        return {_text(str(key), _MAX_TEXT): _plain(item, str(key), depth - 1) for key, item in items}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_plain(item, "", depth - 1) for item in list(value)[:_MAX_ITEMS]]
    return _text(value if isinstance(value, str) else str(value), _MAX_TRACEBACK if name == "exception" else _MAX_TEXT)


def _text(text: str, limit: int) -> str:
    """Mask first and cut after, since half a URL no longer looks like one."""
    shown = redact(text[:_MAX_SCANNED])
    if len(shown) > limit or len(text) > _MAX_SCANNED:
        shown = f"{shown[:limit]}… ({len(text):,} characters)"
    return shown.encode("utf-8", "backslashreplace").decode()


def _to_json(event: EventDict, **_: object) -> str:
    return msgspec.json.encode(event).decode()


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _OWN.critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(hook: threading.ExceptHookArgs) -> None:
    if hook.exc_value is not None:
        thread = "" if hook.thread is None else hook.thread.name
        _OWN.critical("uncaught exception", thread=thread, exc_info=(hook.exc_type, hook.exc_value, hook.exc_traceback))
