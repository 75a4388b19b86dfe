"""Bytes of a fleet's state: versioned, checked, and found again by identity when monitors come and go.

Layout, little-endian but the checksum: CRC-32 of the rest · ``DLE`` · version · number of groups · for each group its
monitors, bettors, cells and slots, the 16-byte identities of its monitors, and the arrays of evidence and aftermath.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.state import Evidence
from detectors.fleet.fleet import Fleet
from detectors.fleet.state import FleetState, FollowUp

_MAGIC: Final = b"DLE"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<3sBI")
_GROUP: Final = struct.Struct("<IIII")
_CHECKSUM: Final = 4
_IDENTITY: Final = 16
_MOST: Final = 1 << 28
_Part = TypeVar("_Part", Evidence, FollowUp)


class CorruptEvidenceError(ValueError):
    """Bytes that are no evidence: cut short, changed, or of a newer version."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stored:
    identities: tuple[bytes, ...]
    evidence: Evidence
    follow_up: FollowUp


def to_bytes(fleet: Fleet, state: FleetState) -> bytes:
    """Return the bytes of a state, about 1.3 kB a monitor."""
    parts = [_HEAD.pack(_MAGIC, _VERSION, len(fleet.groups))]
    for group, held in zip(fleet.groups, state.groups, strict=True):
        monitors, bettors = held.evidence.log.shape
        parts.append(_GROUP.pack(monitors, bettors, group.engine.cells, group.engine.slots))
        parts.extend(monitor.identity for monitor in group.monitors)
        for part in (held.evidence, held.follow_up):
            for field in fields(part):
                array = getattr(part, field.name)
                parts.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
    body = b"".join(parts)
    return zlib.crc32(body).to_bytes(_CHECKSUM, "big") + body


def from_bytes(fleet: Fleet, data: bytes) -> tuple[FleetState, NDArray[np.bool_]]:
    """Return the state of a fleet from bytes that it or another fleet wrote, and which monitors were found in them.

    A monitor whose reference or parameters changed is another one and starts afresh; those that the fleet no longer has
    are dropped; the others go on as if nothing had happened, to the bit.

    Raises
    ------
    CorruptEvidenceError
        When the bytes are damaged or of a format that this version does not know.
    """
    try:
        stored = _unpacked(data)
    except (struct.error, ValueError) as error:
        if isinstance(error, CorruptEvidenceError):
            raise
        raise CorruptEvidenceError("the bytes make no sense") from error
    return _adopted(fleet, stored)


def carried(fleet: Fleet, state: FleetState, other: Fleet) -> tuple[FleetState, NDArray[np.bool_]]:
    """Return the state of ``other``, a fleet with monitors added or removed, and which of them were known."""
    stored = [
        _Stored(tuple(monitor.identity for monitor in group.monitors), held.evidence, held.follow_up)
        for group, held in zip(fleet.groups, state.groups, strict=True)
    ]
    return _adopted(other, stored)


def _adopted(fleet: Fleet, stored: list[_Stored]) -> tuple[FleetState, NDArray[np.bool_]]:
    where = {identity: (place, row) for place, one in enumerate(stored) for row, identity in enumerate(one.identities)}
    known = np.zeros(len(fleet.monitors), bool)
    groups = []
    for group in fleet.groups:
        fresh = group.initial()
        evidence, follow_up = fresh.evidence, fresh.follow_up
        found = [where.get(monitor.identity, (-1, -1)) for monitor in group.monitors]
        sources, rows = np.array(found, np.int64).reshape(-1, 2).T
        for source in np.unique(sources[sources >= 0]).tolist():
            here = np.flatnonzero(sources == source)
            evidence = evidence.put(here, stored[source].evidence.take(rows[here]))
            follow_up = follow_up.put(here, stored[source].follow_up.take(rows[here]))
        known[group.places] = sources >= 0
        groups.append(group.state_of(evidence, follow_up))
    return FleetState(tuple(groups)), known


def _unpacked(data: bytes) -> list[_Stored]:
    if zlib.crc32(memoryview(data)[_CHECKSUM:]) != int.from_bytes(data[:_CHECKSUM], "big"):
        raise CorruptEvidenceError("the checksum does not fit")
    magic, version, groups = _HEAD.unpack_from(data, _CHECKSUM)
    if magic != _MAGIC:
        raise CorruptEvidenceError("these bytes are no evidence")
    if version != _VERSION:
        raise CorruptEvidenceError(f"evidence of format {version}, this program reads {_VERSION}")
    place = _CHECKSUM + _HEAD.size
    stored = []
    for _ in range(groups):
        monitors, bettors, cells, slots = _GROUP.unpack_from(data, place)
        place += _GROUP.size
        if max(monitors, 1) * max(bettors, cells, slots) > _MOST:
            raise CorruptEvidenceError("the header makes no sense")
        names = data[place : place + _IDENTITY * monitors]
        place += _IDENTITY * monitors
        template = Evidence.initial(monitors, bettors, cells, slots)
        evidence, place = _arrays(data, place, template)
        follow_up, place = _arrays(data, place, FollowUp.initial(np.zeros(monitors, np.int32), cells, slots))
        identities = tuple(names[at : at + _IDENTITY] for at in range(0, len(names), _IDENTITY))
        stored.append(_Stored(identities, evidence, follow_up))
    if place != len(data):
        raise CorruptEvidenceError("there are bytes too many")
    return stored


def _arrays(data: bytes, place: int, template: _Part) -> tuple[_Part, int]:
    """Return a dataclass of arrays with the shapes of ``template``, and where its bytes end."""
    arrays = []
    for field in fields(template):
        like = getattr(template, field.name)
        kind = like.dtype.newbyteorder("<")
        values = np.frombuffer(data, kind, like.size, place)
        arrays.append(values.astype(like.dtype).reshape(like.shape))
        place += like.size * kind.itemsize
    return type(template)(*arrays), place
