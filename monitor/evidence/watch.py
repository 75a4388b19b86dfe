"""One model's fleet: which windows are over, and one step for each, in the order of event time, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, Final

import msgspec
import structlog

from monitor.events import IntArray
from monitor.evidence.budget import Severity, SeverityName
from monitor.evidence.copy import Copy
from monitor.evidence.findings import Told, moment, rows_of
from monitor.evidence.length import choose_length
from monitor.evidence.orders import MARKS, Order
from monitor.evidence.season import Season, too_short
from monitor.evidence.spans import Calendar
from monitor.evidence.stream import Source, Stream
from monitor.evidence.terms import Asked
from monitor.evidence.windows import window_of
from monitor.findings import WindowResult
from monitor.model import Model
from monitor.views import EvidenceView

log = structlog.get_logger(__name__)
_FORMAT: Final = 1
_MOST_NAMED: Final = 5


@dataclass(slots=True)
class Watch:
    """Progress and state of one model's fleet at all severities.

    ``next`` is where the first window begins that was not stepped, ``None`` for the model's first; ``target`` is up to
    where windows are over. Both are written with the counts; a crash between the write and the steps repeats these on
    the same counts, with the same results.
    """

    model: Model
    source: Source
    severities: tuple[Severity, ...]
    shares: Mapping[SeverityName, float]
    """Severity → part of the service's budget."""
    calendar: Calendar
    most_versions: int
    next: int | None = None
    target: int | None = None
    skips: bool = False
    """Whether windows before the first close stay unjudged: they are older than the evidence."""
    length: int = 0
    why: str = ""
    copies: dict[str, Copy] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    """Version → start of the last window with rows of it."""
    orders: list[Order] = field(default_factory=list)
    """What operators accepted, and is not over."""
    heard: int = 0
    """Number of the last order that was looked at."""
    marks: dict[int, str] = field(default_factory=dict)
    """Start of an incident's window → what it turned out to have been, as last said."""
    moved: bool = True
    """Whether progress changed since the last write."""
    stepped: bool = False
    """Whether the state did."""
    _known: str | None = None
    """Identity of what the monitors were made of."""

    @property
    def window(self) -> str:
        """Name of its windows in history."""
        return window_of(self.source.fleet)

    @property
    def unread(self) -> int:
        """Where the first window begins that was not stepped, or learnt from."""
        learning = self.source.read
        if learning is not None:
            return learning if self.next is None else min(learning, self.next)
        after = self.source.begin(self.model)
        return max(-(1 << 62) if self.next is None else self.next, -(1 << 62) if after is None else after)

    def hear(self, orders: Iterable[Order]) -> None:
        """Take up orders; each is told of in the log once."""
        name = self.model.config.name
        for order in orders:
            self.heard, self.moved = order.number, True
            if order.model == name and order.kind == "promote" and self.source.relearn(self.next):
                self._say(f"evidence of {self.source.fleet} learns its reference anew: {order.because}")
            elif order.model == name and order.kind in MARKS:
                self.marks[order.until] = order.kind
            elif order.model == name and order.kind == "accept":
                self.orders = [*(one for one in self.orders if one.column != order.column), order]
                log.info(
                    "drift accepted", model=name, column=order.column, until=moment(order.until), by=order.who,
                    because=order.because, order=order.number,
                )  # fmt: skip

    def close(self, least: int) -> None:
        """Note how far event time is; ``least`` is that of the slowest partition."""
        final = self.source.reach(self.model, least)
        if self.source.basis(self.model) is None:
            self._wait()
            return
        if final is None:
            return
        self.prepare()
        self.reach(final // self.length * self.length)

    def _wait(self) -> None:
        """Begin behind the rows that the reference is learnt from: these are no evidence."""
        after = self.source.begin(self.model)
        self.moved |= after != self.next
        self.next, self.target, self.skips = after, None, False

    def reach(self, end: int) -> None:
        """Take windows that end by ``end`` for over."""
        if self.skips:
            self.next, self.skips = end, False
        if self.target is None or end > self.target:
            self.target = end
            self.moved = True

    def finish(self, last: int) -> None:
        """Take the input as complete: what nothing can change any more is over."""
        if self.source.basis(self.model) is None:
            return
        self.prepare()
        final = self.source.last(self.model, last, self.length)
        if final is not None:
            self.reach(final // self.length * self.length)

    def due(self) -> list[int]:
        """Return the starts of the windows that are over and not stepped, in order."""
        if self.target is None or self.source.basis(self.model) is None:
            return []
        self.prepare()
        known = [moment for moment in (self.next, self.source.begin(self.model)) if moment is not None]
        begin = -(-max(known) // self.length) * self.length if known else -(1 << 62)
        return list(self.source.starts(self.model, self.length, begin, self.target))

    def step(self, start: int) -> list[WindowResult]:
        """Judge one window; return what is said of it. Nothing is said of one without rows or of a holiday."""
        self.next = start + self.length
        self.stepped = self.moved = True
        if not self.calendar.is_judged(start, self.length):
            return []
        counts = self.source.counts(self.model, start, start + self.length)
        if not counts:
            return []
        self._admit(counts, start)
        results = list(self._judge(counts, start))
        if self.source.stepped(self.model, counts, start // self.length):
            self._refit()
        return results

    def done(self) -> None:
        """Note that no window before the target is left."""
        if self.target is not None and self.next != self.target and (self.next or 0) < self.target:
            self.next = self.target
            self.moved = True

    def views(self) -> Iterator[EvidenceView]:
        """Yield what may be shown of each severity."""
        for copy in self.copies.values():
            names = {stream.key: stream.label for stream in copy.streams}
            yield EvidenceView(
                fleet=self.source.fleet,
                severity=copy.severity.name,
                window=self.length,
                chosen=self.why,
                patience=self.patience(copy.severity),
                monitors=len(copy.streams),
                unstable=tuple(stream.label for stream in copy.unstable),
                drifted=tuple(names[key] for key in copy.told if key in names),
                windows=copy.meter.windows,
                promised=copy.meter.promised,
                incidents=copy.meter.incidents,
                blind_below=copy.blind_below(),
            )

    def progress(self) -> bytes:
        """Return how far it is, as bytes."""
        orders = [astuple(order) for order in self.orders]
        body = {"format": _FORMAT, "next": self.next, "target": self.target, "heard": self.heard, "orders": orders}
        return msgspec.msgpack.encode({**body, "marks": sorted(self.marks.items())})

    def state(self) -> bytes:
        """Return all that was gathered, as bytes."""
        copies = {name: copy.dump() for name, copy in self.copies.items()}
        body = {"format": _FORMAT, "length": self.length, "versions": self.versions, "copies": copies}
        return msgspec.msgpack.encode(body)

    def restore(self, progress: bytes, state: bytes | None) -> None:
        """Take over what was written; monitors that changed since start afresh, loudly."""
        known = msgspec.msgpack.decode(progress)
        self.next, self.target, self.heard = known["next"], known["target"], known["heard"]
        self.orders = [Order(*order) for order in known["orders"]]
        self.marks = dict(known.get("marks", ()))
        if state is None or self.source.basis(self.model) is None:
            return
        body = msgspec.msgpack.decode(state)
        self.versions = dict(body["versions"])
        self._open(body["copies"])
        if body["length"] != self.length:
            self._say(f"evidence starts afresh: its window is {self.length // 60_000_000} minutes now")

    def prepare(self) -> None:
        """Bring monitors under the reference and the layout of the moment."""
        basis = self.source.basis(self.model)
        if basis is not None and self._known != basis:
            self._open({name: copy.dump() for name, copy in self.copies.items()})

    def _open(self, written: Mapping[str, Any]) -> None:
        """Make the copies of all severities from their written state, as far as their monitors are the same."""
        self._known = self.source.basis(self.model)
        sample = self.source.streams(self.model, "")
        offset = self.calendar.offset(self.source.newest(self.model))
        self.length, self.why = choose_length(self.model, self.source, sample, offset)
        streams = self._streams()
        self.copies = {}
        asked = Asked(self.length, self._season, "auto", offset)
        if (short := too_short([stream.past for stream in sample], asked)) is not None:
            self._say(short)
        for severity in self.severities:
            copy = Copy(severity, Asked(self.length, self._season, severity.ignore_below, offset))
            if severity.name in written:
                copy.load(written[severity.name], streams)
            self.copies[severity.name] = copy
            self._fit(copy, streams)

    @property
    def _season(self) -> Season:
        reference = self.model.config.reference
        return "auto" if reference is None else reference.season

    def patience(self, severity: Severity) -> float:
        """Return windows between two false incidents of this fleet."""
        return severity.patience(self.length, self.shares[severity.name])

    def _fit(self, copy: Copy, streams: Mapping[str, list[Stream]]) -> None:
        copy.fit(streams, self.patience(copy.severity))
        self.stepped = True
        if copy.roster.fresh:
            names = copy.roster.fresh
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            self._say(
                f"evidence starts afresh, since reference, bins or parameters changed ({copy.severity.name}): "
                f"{', '.join(names[:_MOST_NAMED])}{more}"
            )

    def _say(self, sentence: str) -> None:
        self.model.changes.append(sentence)
        log.warning(sentence, model=self.model.config.name)

    def _streams(self) -> dict[str, list[Stream]]:
        return {version: list(self.source.streams(self.model, version)) for version in self.versions}

    def _admit(self, counts: Mapping[str, IntArray], start: int) -> None:
        """Have monitors for the versions of a window; those longest without rows make room."""
        new = [version for version in sorted(counts) if version not in self.versions]
        self.versions.update(dict.fromkeys(counts, start))
        if not new:
            return
        for old in sorted(self.versions, key=lambda name: (-self.versions[name], name))[self.most_versions :]:
            del self.versions[old]
        self._refit()

    def _refit(self) -> None:
        """Judge the streams that there are now."""
        self._known = self.source.basis(self.model)
        streams = self._streams()
        for copy in self.copies.values():
            self._fit(copy, streams)

    def _judge(self, counts: Mapping[str, IntArray], start: int) -> Iterator[WindowResult]:
        told = Told.nothing()
        accepted = {order.column: order for order in self.orders if start < order.until}
        slot = self.calendar.slot(start, self.length, weekly=self._season == "hour_of_week")
        known = {version: vector for version, vector in counts.items() if version in self.versions}
        for copy in self.copies.values():
            patience = self.patience(copy.severity)
            report, cells = copy.step(known, patience, start // self.length, slot)
            told.add(copy, report, cells, self.length, min(known), accepted)
        if "warn" in self.copies:
            told.add_unstable(self.copies["warn"])
        for version, vector in known.items():
            told.rows[version, ""] = int(vector[self.source.rows])
        for (version, piece), rows, findings in rows_of(told):
            if version in known:
                name, told_of = self.model.config.name, (*findings, *self.source.beside(version, piece))
                yield WindowResult(name, version, piece, self.window, start, start + self.length, 0, rows, told_of)
