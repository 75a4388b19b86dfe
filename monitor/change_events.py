"""Change events from a topic: deploys, flags, campaigns, told beside the incidents that follow them.

Nothing is counted by them, so they are read beside the pipeline, by a thread of its own. Events and positions go into
the file of orders in one transaction: each event is kept once, whatever crashes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from monitor.config.root import ChangeEventsConfig, Config
from monitor.decoding.times import parse_times
from monitor.events import Records
from monitor.evidence.orders import Event, Orders, Place
from monitor.sources.build import build_kafka_source
from monitor.sources.port import (
    CorruptRecordsError,
    LostRecordsError,
    Source,
    SourceUnavailableError,
    TopicPartition,
)
from monitor.sources.seldom import Seldom
from monitor.store.port import StateUnavailableError

log = structlog.get_logger(__name__)
LONGEST: Final = 2_000
KIND_LONGEST: Final = 100
_FIELDS: Final = frozenset({"what", "kind", "model", "at"})
_MOST: Final = 500
_WAIT: Final = 0.5
_RETRY: Final = 5.0
_MOST_BYTES: Final = 64 << 10


class NoEventError(ValueError):
    """A record that tells of no change; says why."""


def decode(value: bytes | None, log_time: int, config: ChangeEventsConfig) -> Event:
    """Return the event of a record; its model is empty where it concerns all.

    Raises
    ------
    NoEventError
        When it is not a JSON object with ``what``, or one of its fields is of no use.
    """
    if value is None or len(value) > _MOST_BYTES:
        raise NoEventError("empty, or too long")
    try:
        said = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise NoEventError("no JSON") from error
    if not isinstance(said, dict):
        raise NoEventError("no JSON object")
    unknown = sorted(map(str, said.keys() - _FIELDS))
    if unknown:
        raise NoEventError(f"{unknown[0][:50]!r} is not one of: {', '.join(sorted(_FIELDS))}")
    what, kind = _text(said, "what", LONGEST), _text(said, "kind", KIND_LONGEST) or "deploy"
    if not what:
        raise NoEventError("what is missing")
    at = log_time if said.get("at") is None else int(parse_times([said["at"]], config.time_format)[0])
    if at < 0:
        raise NoEventError(f"at is no time of the format {config.time_format}, or there is none")
    return Event(_text(said, "model", LONGEST), kind, at, what)


def _text(said: dict[str, object], key: str, longest: int) -> str:
    value = said.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise NoEventError(f"{key} is no text, or longer than {longest} characters")
    return value.strip()


@dataclass(slots=True)
class ChangeReader:
    """Reads the topic into the file of orders. One thread calls it."""

    config: ChangeEventsConfig
    models: Collection[str]
    orders: Orders
    source: Source
    now: Callable[[], int] = lambda: time.time_ns() // 1000
    _incarnation: str = ""
    _seldom: Seldom = field(default_factory=Seldom)

    def open(self) -> None:
        """Go on where reading ended; a topic that was made anew is read from its beginning.

        Raises
        ------
        SourceUnavailableError
            When nobody answers, or there is no such topic.
        """
        topic = self.config.topic
        count = self.source.partitions([topic]).get(topic, 0)
        if not count:
            raise SourceUnavailableError(f"there is no topic {topic}")
        self._incarnation = self.source.topic_ids([topic]).get(topic, "")
        stored = self.orders.places(topic)
        anew = any(place.incarnation != self._incarnation for place in stored)
        known = {} if anew else {TopicPartition(topic, place.partition): place.next_offset for place in stored}
        names = [TopicPartition(topic, number) for number in range(count)]
        fresh = [name for name in names if name not in known]
        start = "earliest" if stored else self.config.start
        known |= self.source.start_offsets(fresh, start) if fresh else {}
        positions = {name: known[name] for name in names}
        for name in fresh:
            # Else what comes before the first event is read would be passed over after a restart.
            self._write(name, [], positions[name])
        while True:
            try:
                self.source.assign(positions)
            except LostRecordsError as error:
                log.warning("change events lost", problem=str(error))
                positions[error.input] = error.resume_at
            else:
                return

    def turn(self, wait: float = _WAIT) -> int:
        """Read what there is; return how many events were kept.

        Raises
        ------
        SourceUnavailableError
            When records were lost, and nobody answers where to go on.
        StateUnavailableError
            When the file cannot be written; the source stands behind what was not kept, so open it again.
        """
        try:
            batches = self.source.consume(_MOST, wait)
        except LostRecordsError as error:
            log.warning("change events lost", problem=str(error))
            self.open()
            return 0
        except CorruptRecordsError as error:
            log.warning("change event cannot be read", problem=str(error))
            self.source.seek(error.input, error.offset + 1)
            return 0
        kept = 0
        for records in batches:
            events = self._events(records)
            self._write(TopicPartition(records.topic, records.partition), events, records.next_offset)
            kept += len(events)
        return kept

    def _events(self, records: Records) -> list[Event]:
        found = []
        for offset, log_time, value in zip(records.offsets, records.log_times, records.values, strict=True):
            try:
                event = decode(value, log_time, self.config)
            except NoEventError as error:
                if (before := self._seldom.allow()) is not None:
                    log.warning("no change event", offset=offset, problem=str(error), others_before=before)
                continue
            if event.model in {"", *self.models}:
                found.append(event)
        return found

    def _write(self, name: TopicPartition, events: list[Event], next_offset: int) -> None:
        place = Place(name.partition, self._incarnation, next_offset)
        self.orders.read(self.config.topic, events, place, self.now())


def follow_changes(config: Config, stopping: threading.Event) -> threading.Thread | None:
    """Start reading the topic of change events, if there is one, until ``stopping`` is set."""
    events = config.change_events
    if events is None or config.state.shards.index:
        return None
    orders, models = Orders(Path(config.state.path)), {model.name for model in config.models}

    def follow() -> None:
        while not stopping.is_set():
            source = build_kafka_source(config.kafka, need_headers=False)
            try:
                reader = ChangeReader(events, models, orders, source)
                reader.open()
                while not stopping.is_set():
                    reader.turn()
            except (SourceUnavailableError, StateUnavailableError) as error:
                log.warning("change events cannot be read yet, trying again", problem=str(error))
                stopping.wait(_RETRY)
            finally:
                source.close()

    thread = threading.Thread(target=follow, name="change-events", daemon=True)
    thread.start()
    return thread
