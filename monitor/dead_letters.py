"""Records that could not be counted, handed on to a topic or a file so that somebody can look at them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from monitor.config.root import Config
from monitor.dead_letter import DeadLetter
from monitor.dead_letter_topic import TopicSink
from monitor.sources.seldom import Seldom

__all__ = ["DeadLetter", "DeadLetterSink", "FileSink", "NoSink", "TopicSink", "build_sink"]

log = structlog.get_logger(__name__)


class DeadLetterSink(Protocol):
    """Where dead letters go."""

    def publish(self, letters: Sequence[DeadLetter]) -> int:
        """Hand letters on, in order; return how many of the first are safe with the receiver.

        Never raises for a receiver that is away and never waits for long; the rest is handed over again later. A letter
        may arrive more than once, under the same key.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class NoSink:
    """Takes every letter and keeps none: rejected records are counted only."""

    def publish(self, letters: Sequence[DeadLetter]) -> int:
        """See ``DeadLetterSink``."""
        return len(letters)

    def close(self) -> None:
        """See ``DeadLetterSink``."""


class FileSink:
    """Appends letters to a file, one JSON object a line, on disk before ``publish`` returns.

    Parameters
    ----------
    path
        The file; it and its directories are made when they do not exist.
    payload
        Whether key, value and headers go along.
    """

    def __init__(self, path: Path, *, payload: bool = True) -> None:
        self._path = path
        self._payload = payload
        self._seldom = Seldom()

    def publish(self, letters: Sequence[DeadLetter]) -> int:
        """See ``DeadLetterSink``; the file is opened for each batch, so it may be rotated at any time."""
        if not letters:
            return 0
        lines = b"".join(letter.to_json(payload=self._payload) + b"\n" for letter in letters)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                if _is_torn(file.fileno()):
                    lines = b"\n" + lines
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if (more := self._seldom.allow()) is not None:
                log.warning("dead letters cannot be written, they wait", problem=str(error), held_back=more)
            return 0
        return len(letters)

    def close(self) -> None:
        """See ``DeadLetterSink``."""


def build_sink(config: Config) -> DeadLetterSink:
    """Return the sink that a configuration asks for."""
    settings = config.kafka.dead_letters
    if settings is None or (settings.topic is None and settings.file is None):
        return NoSink()
    if settings.file is not None:
        return FileSink(Path(settings.file), payload=settings.payload)
    return TopicSink(config.kafka, str(settings.topic), payload=settings.payload)


def _is_torn(descriptor: int) -> bool:
    """Return whether a crash left a line without its end."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
