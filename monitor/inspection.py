"""What a state directory holds, read beside a running service: positions, clocks, counters, sizes, generations.

Rows and payloads that wait in the state are counted, never shown: they may hold what is nobody's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from monitor.alerting.queue import SIGNALS
from monitor.concept.keys import CONCEPT, STREAMS
from monitor.duel import DUELS
from monitor.evidence.keeper import EVIDENCE
from monitor.join.agenda import AGENDA
from monitor.join.entries import ENTRIES
from monitor.join.join import JOINS
from monitor.join.last_before import STATES as ENTITY_STATES
from monitor.join.last_before import WAITING
from monitor.join.pages import PAGES, RUNS
from monitor.joining import JOININGS
from monitor.keys import MalformedKeyError, parse, prefix
from monitor.outcomes.bags import VALUES
from monitor.outcomes.deferred import JOURNAL
from monitor.outcomes.outcomes import OUTCOMES, STATES
from monitor.outcomes.searching import CELLS
from monitor.outcomes.searching import WAITING as CELLS_WAITING
from monitor.outcomes.unsettled import UNSETTLED
from monitor.outgoing import HOLD, QUEUE
from monitor.pairs import PAIRS
from monitor.panes import LAYOUTS, PANES
from monitor.partition import PARTITIONS, RESTATED
from monitor.positions import TOPICS
from monitor.progress import CLOSING, LEARNING, LEARNT, MODELS
from monitor.store import ring
from monitor.store.engine import Engine
from monitor.store.files import size_of
from monitor.store.generations import Generations
from monitor.store.lock import holder
from monitor.store.peek import peek
from monitor.store.port import StateError
from monitor.store.recovery import DAMAGED, LIVE
from monitor.switching import SWITCHES
from monitor.watermark import NEVER

NAMES: Final[Mapping[bytes, str]] = {
    PANES: "panes",
    LAYOUTS: "layouts",
    PARTITIONS: "partitions",
    RESTATED: "restated windows",
    QUEUE: "dead letters waiting",
    HOLD: "dead letters not to be sent again",
    CLOSING: "windows due",
    MODELS: "models",
    LEARNING: "references being learnt",
    LEARNT: "references learnt",
    TOPICS: "topic ids",
    OUTCOMES: "outcomes by hour",
    UNSETTLED: "changes of outcomes that are not settled",
    JOURNAL: "outcomes to be counted in slices",
    CELLS: "outcomes by cell that slices are looked for in",
    VALUES: "outcomes by value that slices are looked for in",
    CELLS_WAITING: "outcomes to be counted by cell",
    STATES: "outcomes, and their windows due",
    JOININGS: "clocks of joins",
    DUELS: "comparisons of challengers with their champions",
    PAIRS: "requests and responses that wait",
    JOINS: "joins",
    RUNS: "joined rows, by checkpoint",
    PAGES: "joined rows",
    ENTRIES: "joined rows of ids that came often",
    AGENDA: "joined rows, by when they are due",
    WAITING: "labels of entities that wait",
    ENTITY_STATES: "entities",
    CONCEPT: "hours of concept detectors",
    STREAMS: "concept detectors",
    EVIDENCE: "evidence",
    SWITCHES: "references that were switched",
    SIGNALS: "signals that alerts have not taken",
    ring.RESERVED: "the store's own",
}
_SHOWN: Final = (CLOSING, MODELS, TOPICS)


@dataclass(frozen=True, slots=True)
class ClockState:
    """Event time of one model in one co-partition."""

    model: str
    partition: int
    event_time: int | None
    """Greatest event time believed, microseconds since the epoch; ``None`` before the first row."""
    held: int
    """Rows whose time waits to be confirmed."""
    idle: bool


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """How much one kind of value takes."""

    name: str
    keys: int
    bytes: int
    """Of keys and values, before compression."""


@dataclass(frozen=True, slots=True)
class Content:
    """What one database holds."""

    schema: int
    commit: int
    offsets: dict[str, int]
    """``topic[partition]`` → offset to read next."""
    clocks: tuple[ClockState, ...]
    counters: dict[str, int]
    """``model/name`` (``name`` alone where it belongs to no model) → exact count over all partitions."""
    namespaces: tuple[NamespaceState, ...]
    values: dict[str, Any]
    """Bookkeeping values, decoded."""


@dataclass(frozen=True, slots=True)
class GenerationState:
    """One generation and where it would read on."""

    number: int
    taken_at: int | None
    """Microseconds since the epoch; ``None`` when the generation is damaged."""
    commit: int | None
    bytes: int
    """Of its files; tables are shared with the live state and with other generations."""
    offsets: dict[str, int]
    behind: dict[str, int]
    """Records of each input that would be read again after falling back to it."""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """All of a state directory."""

    path: str
    last_process: int | None
    """The process that last opened it to write; it may still run."""
    bytes: int
    live: Content | None
    problem: str | None
    """Why the live state cannot be read, ``None`` when it can."""
    generations: tuple[GenerationState, ...] = ()
    damaged: tuple[str, ...] = ()
    """States that were given up and put aside."""


class _Partition(msgspec.Struct):
    """What of a co-partition's state is shown."""

    offsets: dict[str, int]
    clocks: dict[str, tuple[int, list[int], int, bool]]
    counters: list[tuple[str, str, int]]


@dataclass(slots=True)
class _Tally:
    keys: Counter[bytes] = field(default_factory=Counter)
    bytes: Counter[bytes] = field(default_factory=Counter)
    offsets: dict[str, int] = field(default_factory=dict)
    clocks: list[ClockState] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    values: dict[str, Any] = field(default_factory=dict)


def inspect_state(path: Path) -> Inspection:
    """Look into a state directory without its lock; every value of the live state is read and checked.

    Parameters
    ----------
    path
        ``state.path`` of the configuration, or the store beneath it.
    """
    root = path / "store" if (path / "store" / LIVE).is_dir() else path
    live, problem = None, None
    try:
        live = peek(root / LIVE, content)
    except StateError as error:
        problem = str(error)
    generations = Generations(root, keep=1)
    aside = root / DAMAGED
    return Inspection(
        path=str(root),
        last_process=holder(root),
        bytes=size_of(root / LIVE),
        live=live,
        problem=problem,
        generations=tuple(_generation(generations, number, live) for number in generations.numbers()),
        damaged=tuple(sorted(str(entry) for entry in aside.iterdir())) if aside.is_dir() else (),
    )


def content(engine: Engine) -> Content:
    """Return what a database holds; raises ``CorruptStateError`` when any value of it is damaged."""
    tally = _Tally()
    for key, value in engine.scan(b""):
        tally.keys[key[:1]] += 1
        tally.bytes[key[:1]] += len(key) + len(value)
        if key[:1] == PARTITIONS:
            _add_partition(tally, key, value)
        elif key[:1] in _SHOWN:
            tally.values[_name(key)] = _decoded(value)
    schema = engine.get(ring.SCHEMA_KEY)
    return Content(
        schema=0 if schema is None else int.from_bytes(schema, "big"),
        commit=ring.last_commit(engine),
        offsets=dict(sorted(tally.offsets.items())),
        clocks=tuple(tally.clocks),
        counters=dict(sorted(tally.counters.items())),
        namespaces=tuple(
            NamespaceState(NAMES.get(space, f"unknown {space!r}"), tally.keys[space], tally.bytes[space])
            for space in sorted(tally.keys)
        ),
        values=tally.values,
    )


def _add_partition(tally: _Tally, key: bytes, value: bytes) -> None:
    try:
        number = parse(key)[1]
        state = msgspec.msgpack.decode(value, type=_Partition)
    except (MalformedKeyError, msgspec.DecodeError) as error:
        tally.values[_name(key)] = f"{len(value)} bytes that this version does not understand: {error}"
        return
    for topic, offset in state.offsets.items():
        tally.offsets[f"{topic}[{number}]"] = offset
    for model, (greatest, held, _, idle) in state.clocks.items():
        tally.clocks.append(ClockState(model, number, None if greatest == NEVER else greatest, len(held), idle))
    for model, name, count in state.counters:
        tally.counters[f"{model}/{name}" if model else name] += count


def _decoded(value: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(value)
    except msgspec.DecodeError as error:
        return f"{len(value)} bytes that are not msgpack: {error}"


def _generation(generations: Generations, number: int, live: Content | None) -> GenerationState:
    size = size_of(generations.path(number))
    known = generations.describe(number)
    if known is None:
        return GenerationState(number, None, None, size, {}, {}, "its head is missing or damaged")
    try:
        offsets = peek(generations.path(number), _offsets)
    except StateError as error:
        return GenerationState(number, known.taken_at, known.commit, size, {}, {}, str(error))
    behind = {} if live is None else {name: max(0, end - offsets.get(name, 0)) for name, end in live.offsets.items()}
    return GenerationState(number, known.taken_at, known.commit, size, offsets, behind)


def _offsets(engine: Engine) -> dict[str, int]:
    tally = _Tally()
    for key, value in engine.scan(prefix(PARTITIONS)):
        _add_partition(tally, key, value)
    return tally.offsets


def _name(key: bytes) -> str:
    try:
        namespace, partition, *parts = parse(key)
    except MalformedKeyError:
        return key.hex()
    return "/".join(str(part) for part in (NAMES.get(namespace, namespace.hex()), partition, *parts))
