"""What leaves the process as its log."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from monitor.config.root import LogConfig
from monitor.logs import configure
from monitor.redaction import redact

CANARY = "hunter2canary"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook
    names = ("kafka", "uvicorn", "apscheduler", "asyncio")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:  # a Kafka client in this process takes its warnings another way
        logger.handlers, logger.propagate = [], True
    yield
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    for logger, state in zip(loggers, before, strict=True):
        logger.handlers, level, logger.propagate = state
        logger.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def started(stream: io.StringIO | None = None, **fields: Any) -> io.StringIO:
    out = io.StringIO() if stream is None else stream
    configure(LogConfig(**fields), out)
    return out


def events(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_when_nobody_looks() -> None:
    out = started()
    structlog.get_logger("monitor.pipeline").info("window closed", model="fraud", rows=1000, end=None)
    (event,) = events(out)
    assert event.pop("timestamp").endswith("Z")
    assert list(json.loads(out.getvalue()))[:3] == ["timestamp", "level", "event"]
    assert event == {
        "level": "info", "event": "window closed", "logger": "monitor.pipeline", "model": "fraud", "rows": 1000,
        "end": None,
    }  # fmt: skip


def test_text_and_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = started(Terminal())
    structlog.get_logger().warning("broker unreachable", seconds=3)
    assert "\x1b[" in out.getvalue()
    assert "broker unreachable" in out.getvalue()


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = started(Terminal())
    structlog.get_logger().warning("broker unreachable")
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(("choice", "stream"), [("json", Terminal()), ("console", io.StringIO())])
def test_the_format_can_be_forced(choice: str, stream: io.StringIO) -> None:
    out = started(stream, format=choice)
    structlog.get_logger().error("x")
    assert out.getvalue().startswith("{") == (choice == "json")


def test_the_level_applies_to_everything_and_libraries_only_warn() -> None:
    out = started(level="info")
    structlog.get_logger().debug("one")
    logging.getLogger("monitor").debug("two")
    logging.getLogger("kafka.conn").info("three")
    logging.getLogger("uvicorn.error").info("four")
    logging.getLogger("kafka.conn").warning("broker %s is down", "b1")
    structlog.get_logger().info("five")
    assert [event["event"] for event in events(out)] == ["broker b1 is down", "five"]
    assert events(out)[0]["logger"] == "kafka.conn"


def test_configuring_again_replaces() -> None:
    first = started()
    second = started(level="error")
    structlog.get_logger().warning("dropped")
    structlog.get_logger().error("kept")
    assert first.getvalue() == ""
    assert [event["event"] for event in events(second)] == ["kept"]


def raised() -> Exception:
    try:
        int("x")
    except ValueError as error:
        return error
    raise AssertionError


def test_an_exception_is_one_line() -> None:
    out = started()
    structlog.get_logger().error("bad", exc_info=raised())
    logging.getLogger("kafka").error("bad", exc_info=raised())
    assert len(out.getvalue().splitlines()) == 2
    for event in events(out):
        assert event["exception"].startswith("Traceback (most recent call last):\n")
        assert "ValueError" in event["exception"]


def test_uncaught_exceptions_and_warnings_are_events() -> None:
    out = started()
    error = raised()
    sys.excepthook(type(error), error, error.__traceback__)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("odd", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    thread = threading.Thread(target=lambda: int("x"), name="delivery")
    thread.start()
    thread.join()
    first, second, third = events(out)
    assert (first["event"], first["level"]) == ("uncaught exception", "critical")
    assert "UserWarning: odd" in second["event"]
    assert third["thread"] == "delivery"


class Credentials(BaseModel):
    user: str
    password: SecretStr


CREDENTIALS = Credentials(user="joe", password=SecretStr(CANARY))
LEAKS: list[dict[str, Any]] = [
    {"event": f"GET https://joe:{CANARY}@host/path failed"},
    {"event": f"kafka://{CANARY}@host:9092"},
    {"event": "x", "url": f"https://host/hook?x=1&token={CANARY}"},
    {"event": "x", "url": f"https://host/hook?{CANARY}"},
    {"event": "x", "url": f"https://host/#{CANARY}"},
    {"event": "x", "url": f"https://hooks.slack.com/services/T0/B0/{CANARY}"},
    {"event": "x", "url": f"https://discord.com/api/webhooks/1/{CANARY}"},
    {"event": "x", "password": CANARY},
    {"event": "x", "sasl_plain_password": CANARY},
    {"event": "x", "api_key": SecretStr(CANARY)},
    {"event": "x", "credentials": CREDENTIALS},
    {"event": "x", "shown": CREDENTIALS},
    {"event": "x", "value": SecretStr(CANARY)},
    {"event": "x", "config": {"kafka": {"security": {"password": CANARY}}}},
    {"event": "x", "headers": [("Authorization", f"Bearer {CANARY}")]},
    {"event": f"Authorization: Basic {CANARY}"},
    {"event": f"authorization='Bearer {CANARY}'"},
    {"event": f"KafkaConsumer(sasl_plain_password='{CANARY} {CANARY}', x=1)"},
    {"event": f'{{"secret": "{CANARY}"}}'},
    {"event": f"access_token={CANARY}&x"},
    {"event": f"signing with whsec_{CANARY}"},
    {"event": "x", "deep": [[[[[[[{"a": f"https://a:{CANARY}@b"}]]]]]]]},
    {"event": "x", f"https://a:{CANARY}@b": 1},
    {"event": "y" * 4000 + f" https://a:{CANARY * 50}@b"},
]


@pytest.mark.parametrize("leak", LEAKS, ids=range(len(LEAKS)))
@pytest.mark.parametrize("choice", ["json", "console"])
def test_secrets_never_leave(leak: dict[str, Any], choice: str) -> None:
    out = started(format=choice)
    structlog.get_logger().warning(**leak)
    logging.getLogger("kafka").warning("%s", leak)
    assert out.getvalue().count("\n") == 2
    assert CANARY not in out.getvalue()


@pytest.mark.parametrize("choice", ["json", "console"])
def test_secrets_in_exceptions_never_leave(choice: str) -> None:
    out = started(format=choice)
    password = CANARY
    try:
        message = f"cannot connect to https://joe:{password}@host"
        raise ConnectionError(message)  # noqa: TRY301 - the traceback is what is tested
    except ConnectionError as error:
        structlog.get_logger().exception("x")
        sys.excepthook(type(error), error, error.__traceback__)
    assert "ConnectionError: cannot connect to https://***@host" in out.getvalue().replace("\\n", "\n")
    assert CANARY not in out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "read 1,000 records of ml.predictions[3] at 12:00:00",
        "https://host:9092/path/to/page",
        "unexpected token: x",
        "version 1.2 @ noon",
        "key amount = 12.5",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "\x00", "\u202egnp", "\r", "\ud800"])
def test_a_value_cannot_forge_a_line_or_move_the_cursor(text: str) -> None:
    for choice in ("json", "console"):
        out = started(format=choice)
        structlog.get_logger().warning("odd value", slice=text)
        logging.getLogger("kafka").warning(text)
        first, second = out.getvalue().splitlines()
        assert choice == "json" or (first.isprintable() and second.isprintable())


def test_events_are_bounded() -> None:
    out = started()
    structlog.get_logger().warning("x" * 10**6, values=list(range(10**5)), many={str(i): i for i in range(10**4)})
    assert len(out.getvalue()) < 10_000
    assert "1,000,000 characters" in events(out)[0]["event"]


def test_figures_that_are_not_numbers_stay_json() -> None:
    out = started()
    structlog.get_logger().info("x", p=float("nan"), q=float("inf"))
    assert (events(out)[0]["p"], events(out)[0]["q"]) == (None, None)
