"""One fleet at one severity: its monitors, their state, and its meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.evidence.ball import Ball
from detectors.evidence.sensitivity import dead_zone
from detectors.fleet.alarm import Report
from detectors.fleet.codec import carried, from_bytes, to_bytes
from detectors.fleet.fleet import Fleet
from detectors.fleet.state import FleetState
from monitor.events import FloatArray, IntArray
from monitor.evidence.budget import Severity, weights_of
from monitor.evidence.roster import Roster
from monitor.evidence.stream import Gather, Stream
from monitor.evidence.terms import Asked


@dataclass(slots=True)
class Meter:
    """What was promised and what came."""

    windows: int = 0
    promised: float = 0.0
    """False incidents that the budget allowed in these windows."""
    incidents: int = 0


@dataclass(slots=True)
class Copy:
    """A fleet of one severity over all versions that were seen."""

    severity: Severity
    asked: Asked
    roster: Roster = field(default_factory=Roster)
    meter: Meter = field(default_factory=Meter)
    told: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Stream that drifted and has not recovered → window and words of its last alarm."""
    streams: tuple[Stream, ...] = ()
    """Those that are judged, in the fleet's order."""
    unstable: tuple[Stream, ...] = ()
    """Those that are shown only."""
    fleet: Fleet = field(default_factory=lambda: Fleet.of([]))
    state: FleetState = field(default_factory=lambda: FleetState(()))
    _gathers: dict[str, Gather] = field(default_factory=dict)
    _weights: dict[str, FloatArray] = field(default_factory=dict)

    def fit(self, streams: Mapping[str, Sequence[Stream]], patience: float) -> None:
        """Judge these streams by version from now on; those that are the same as before go on."""
        chosen = [one for part in streams.values() for one in part if one.kind in self.severity.kinds]
        self.roster.fit(chosen, self.asked, patience)
        self._seat(chosen)
        monitors = [self.roster.monitor(stream) for stream in self.streams]
        if [one.identity for one in monitors] != [one.identity for one in self.fleet.monitors]:
            fleet = Fleet.of(monitors)
            self.state, _ = carried(self.fleet, self.state, fleet)
            self.fleet = fleet
        known = {stream.key for stream in self.streams}
        fresh = {stream.key for stream in self.streams if stream.name in self.roster.fresh}
        self.told = {key: told for key, told in self.told.items() if key in known - fresh}

    def blind_below(self) -> float | None:
        """Return the population stability index below which half of the shapes are blind, ``None`` without shapes."""
        nulls = [group.engine.null for group in self.fleet.groups]
        zones = [dead_zone(null).max(axis=0) for null in nulls if isinstance(null, Ball)]
        return float(np.median(np.concatenate(zones))) if zones else None

    def step(self, counts: Mapping[str, IntArray], patience: float, window: int, slot: int) -> tuple[Report, IntArray]:
        """Take in one window's counts by version; return what it says, and the cells of all monitors."""
        parts = [
            gather(counts[version]) if version in counts else gather.nothing
            for version, gather in self._gathers.items()
        ]
        cells = np.concatenate([np.zeros(0, np.int64), *parts])
        present = sum(version in counts for version in self._weights)
        shares = [
            weights / present if version in counts else np.zeros_like(weights)
            for version, weights in self._weights.items()
        ]
        weights = np.concatenate([np.zeros(0), *shares])
        self.state, report = self.fleet.step(self.state, cells, weights, patience, window, slot)
        if self.streams:
            self.meter.windows += 1
            self.meter.promised += 1 / patience
            self.meter.incidents += report.incident
        return report, cells

    @property
    def weights(self) -> FloatArray:
        """Start weights of all monitors while every version has rows."""
        parts = list(self._weights.values())
        whole: FloatArray = np.concatenate([np.zeros(0), *parts]) / max(len(parts), 1)
        return whole

    def since(self) -> IntArray:
        """Return the window of each monitor's last alarm."""
        windows = np.zeros(len(self.streams), np.int64)
        for group, held in zip(self.fleet.groups, self.state.groups, strict=True):
            windows[group.places] = held.follow_up.since
        return windows

    def dump(self) -> dict[str, Any]:
        """Return plain values for the store."""
        return {
            "roster": self.roster.state(),
            "meter": [self.meter.windows, self.meter.promised, self.meter.incidents],
            "told": {key: list(told) for key, told in self.told.items()},
            "fleet": to_bytes(self.fleet, self.state),
        }

    def load(self, data: Mapping[str, Any], streams: Mapping[str, Sequence[Stream]]) -> None:
        """Take over what ``dump`` took apart, as far as the streams are the same; call ``fit`` afterwards."""
        chosen = [one for part in streams.values() for one in part if one.kind in self.severity.kinds]
        self.roster = Roster.restore(data["roster"], chosen, self.asked)
        self.meter = Meter(*data["meter"])
        self.told = {key: (window, words) for key, (window, words) in data["told"].items()}
        self._seat(chosen)
        self.fleet = Fleet.of([self.roster.monitor(stream) for stream in self.streams])
        self.state, _ = from_bytes(self.fleet, data["fleet"])

    def _seat(self, chosen: Sequence[Stream]) -> None:
        self.streams = tuple(self.roster.judged(chosen, self.severity))
        judged = {stream.key for stream in self.streams}
        self.unstable = tuple(stream for stream in chosen if stream.key not in judged)
        versions = dict.fromkeys(stream.version for stream in self.streams)
        by_version = {name: tuple(one for one in self.streams if one.version == name) for name in versions}
        self._gathers = {name: Gather(part) for name, part in by_version.items()}
        self._weights = {name: weights_of(part) for name, part in by_version.items()}
