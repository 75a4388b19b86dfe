"""The detectors of concept drift of one model, fed pair by pair in an order that the log alone decides.

Pairs come from the join when its watermark has passed the moment at which they were complete, a span of time after the
other. Within what came they are sorted by this moment, then by the hash of their id. So every detector takes the same
values in the same order whatever the batches, crashes and restarts, a minute or two after the label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from detectors.concept.detector import ConceptDetector
from detectors.concept.order import order
from detectors.concept.states import OtherDetectorError, States
from monitor.concept.hours import Heard, Hour, Watch
from monitor.concept.keys import CONCEPT, STREAMS
from monitor.concept.thinning import BOUND, Thinning
from monitor.concept.watched import PayloadReader, watched
from monitor.config.model import ModelConfig
from monitor.events import HOUR, FloatArray, IntArray
from monitor.findings import WindowResult
from monitor.join.output import COMPLETED, Joined
from monitor.keys import compose, prefix
from monitor.store.port import StateReader
from monitor.views import ConceptView

MOST_VERSIONS: Final = 64
"""Versions that are remembered from one hour to the next, those with the latest pairs."""
_FORMAT: Final = 1


@dataclass(slots=True)
class Stream:
    """The pairs of one version."""

    thinning: Thinning
    states: dict[Watch, States]
    last: dict[Watch, Heard] = field(default_factory=dict)
    """The latest alarm of each detector."""
    hour: int = 0
    """Start of the hour of the latest pair."""


class ConceptStreams:
    """Make one with ``load``. One thread owns it; nothing leaves memory before ``changes`` is written."""

    def __init__(self, number: int, config: ModelConfig, carried: PayloadReader, bound: int) -> None:
        self.model = config.name
        self.task = config.task
        self.detectors: dict[Watch, ConceptDetector] = {
            (name, detector.kind): ConceptDetector(detector.kind, detector.parameters)
            for detector in config.concept
            for name in config.streams_of(detector)
        }
        self.streams: dict[str, Stream] = {}
        self.hours: dict[tuple[str, int], Hour] = {}
        """(version, start) → the hours that are not over, or that history has yet to hear of."""
        self._carried = carried
        self._bound = bound
        self._number = number
        self._key = compose(CONCEPT, number, config.name)
        self._dirty: set[str] = set()
        self._gone: set[str] = set()
        self._changed = False
        self._newest = -(1 << 62)

    @classmethod
    def load(
        cls, reader: StateReader, number: int, config: ModelConfig, carried: PayloadReader, *, bound: int = BOUND
    ) -> tuple[ConceptStreams, list[str]]:
        """Return the streams as they were last written, and in sentences what the configuration changed.

        Parameters
        ----------
        number
            The shard.
        bound
            Pairs of one version and hour that are watched; see ``Thinning``.

        Raises
        ------
        detectors.concept.kernel.CorruptStateError
            When what is stored is damaged.
        """
        found = cls(number, config, carried, bound)
        data = reader.get(found._key)
        if data is None:
            return found, []
        state: dict[str, Any] = msgspec.msgpack.decode(data)
        found.hours = {(version, start): Hour.restore(fields) for version, start, fields in state["hours"]}
        found._newest = state["newest"]
        afresh: set[Watch] = set()
        for _, stored in reader.scan(prefix(STREAMS, number, config.name)):
            found._restore(msgspec.msgpack.decode(stored), afresh)
        return found, [
            f"{kind} on {name} starts afresh: it is new or has other settings" for name, kind in sorted(afresh)
        ]

    def take(self, joined: Joined) -> None:
        """Feed the completed pairs of one drain of the join; other rows are passed over."""
        pairs = joined.take(np.flatnonzero(joined.kinds == COMPLETED))
        if not len(pairs) or not self.detectors:
            return
        self._changed = True
        names = dict.fromkeys(name for name, _ in self.detectors)
        values = {name: watched(name, self.task, self._carried, pairs.payloads, pairs.labels) for name in names}
        moments = pairs.completions
        fed = order(moments, pairs.hashes, next(iter(values.values())))
        codes = self._carried.versions(pairs.payloads)
        for rows in _cut(fed, moments[fed] // HOUR):
            start = int(moments[rows[0]]) // HOUR * HOUR
            self._begin(start)
            for part in _cut(*_grouped(rows, codes)):
                version = self._carried.version_names[int(codes[part[0]])]
                own = {name: column[part] for name, column in values.items()}
                self._feed(version, start, moments[part], pairs.hashes[part], own)

    def advance(self, watermark: int) -> None:
        """Close the hours that the join's watermark has passed."""
        for (_, start), hour in self.hours.items():
            if not hour.over and start + HOUR <= watermark:
                hour.over = hour.due = self._changed = True

    def results(self) -> list[WindowResult]:
        """Return what history has yet to hear of, as it is now; an hour with an alarm is told before it is over."""
        watches = list(self.detectors)
        due = sorted((start, version) for (version, start), hour in self.hours.items() if hour.due)
        return [self.hours[version, start].result(self.model, version, start, watches) for start, version in due]

    def delivered(self, results: Sequence[WindowResult]) -> None:
        """Note that history has these; it leaves the state with the next write."""
        for result in results:
            key = (result.version, result.start)
            self.hours[key].due = False
            if self.hours[key].over:
                del self.hours[key]
            self._changed = True

    def views(self) -> tuple[ConceptView, ...]:
        """Return what may be shown."""
        return tuple(
            ConceptView(
                version=version,
                column=watch[0],
                detector=watch[1],
                rows=int(states.rows[0]),
                refused=int(states.refused[0]),
                left_out=stream.thinning.left_out,
                drifts=int(states.drifts[0]),
                warnings=int(states.warnings[0]),
                last_alarm=None if (heard := stream.last.get(watch)) is None else heard.time,
                level="" if heard is None else heard.level,
                direction=0 if heard is None else heard.direction,
                before=float("nan") if heard is None else heard.before,
                after=float("nan") if heard is None else heard.after,
            )
            for version, stream in sorted(self.streams.items())
            for watch, states in stream.states.items()
        )

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete; feed it all that the join gave out first."""
        if not self._changed:
            return {}, []
        hours = [[version, start, hour.state()] for (version, start), hour in sorted(self.hours.items())]
        puts = {self._key: msgspec.msgpack.encode({"format": _FORMAT, "hours": hours, "newest": self._newest})}
        for version in self._dirty:
            puts[self._stream_key(version)] = msgspec.msgpack.encode(self._stream_state(version))
        return puts, [self._stream_key(version) for version in self._gone]

    def written(self) -> None:
        """Note that the changes are in the store."""
        self._dirty.clear()
        self._gone.clear()
        self._changed = False

    def _begin(self, start: int) -> None:
        """Begin an hour: forget the versions that had no pair for longest, where there are too many."""
        if start <= self._newest:
            return
        self._newest = start
        latest = sorted(self.streams, key=lambda version: (-self.streams[version].hour, version))
        for version in latest[MOST_VERSIONS:]:
            del self.streams[version]
            self._dirty.discard(version)
            self._gone.add(version)

    def _feed(self, version: str, start: int, moments: IntArray, hashes: Any, values: Mapping[str, FloatArray]) -> None:
        """Feed pairs of one version and hour, in their order."""
        stream = self.streams.get(version) or self._new(version)
        self._dirty.add(version)
        stream.hour = start
        hour = self.hours.setdefault((version, start), Hour())
        hour.add(values, len(moments))
        admitted = np.flatnonzero(stream.thinning.admit(moments, hashes))
        for watch, detector in self.detectors.items():
            stream.states[watch], alarms = detector.step(stream.states[watch], values[watch[0]][admitted])
            heard = [Heard.of(alarm, int(moments[admitted[alarm.index]])) for alarm in alarms]
            hour.note(watch, heard)
            if heard:
                stream.last[watch] = heard[-1]

    def _new(self, version: str) -> Stream:
        states = {watch: detector.initial(1) for watch, detector in self.detectors.items()}
        self.streams[version] = Stream(Thinning(self._bound), states)
        self._gone.discard(version)
        return self.streams[version]

    def _stream_key(self, version: str) -> bytes:
        return compose(STREAMS, self._number, self.model, version)

    def _stream_state(self, version: str) -> dict[str, Any]:
        stream = self.streams[version]
        return {
            "format": _FORMAT,
            "version": version,
            "hour": stream.hour,
            "thinning": stream.thinning.state(),
            "states": [[*watch, self.detectors[watch].pack(states)] for watch, states in stream.states.items()],
            "last": [[*watch, heard.state()] for watch, heard in sorted(stream.last.items())],
        }

    def _restore(self, state: Mapping[str, Any], afresh: set[Watch]) -> None:
        stream = self._new(state["version"])
        stream.hour = state["hour"]
        stream.thinning.restore(state["thinning"])
        stored = {(name, kind): data for name, kind, data in state["states"]}
        last = {(name, kind): Heard(*heard) for name, kind, heard in state["last"]}
        if stored.keys() - self.detectors.keys():  # written anew without them
            self._dirty.add(state["version"])
            self._changed = True
        for watch, detector in self.detectors.items():
            try:
                stream.states[watch] = detector.unpack(stored[watch])
            except (KeyError, OtherDetectorError):
                afresh.add(watch)
            else:
                if watch in last:
                    stream.last[watch] = last[watch]


def _grouped(rows: IntArray, codes: IntArray) -> tuple[IntArray, IntArray]:
    """Return rows sorted by code, those of one code in the order they had, and their codes."""
    sorted_ = rows[np.argsort(codes[rows], kind="stable")]
    return sorted_, codes[sorted_]


def _cut(rows: IntArray, groups: IntArray) -> Iterator[IntArray]:
    """Yield runs of rows of one group."""
    borders = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(rows)]
    for first, last in pairwise(borders):
        yield rows[first:last]
