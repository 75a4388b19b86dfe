"""Judged predictions that wait to be counted by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.slices.lattice import MOST_COLUMNS
from monitor.events import IntArray
from monitor.outcomes.values import TYPE, Texts
from monitor.sealed import seal, unseal

_FIELDS: Final = 6


@dataclass(frozen=True, slots=True)
class Marked:
    """Rows that wait, of equal length."""

    keys: IntArray
    """Hour and version as one number."""
    parts: NDArray[np.uint8]
    """``[n, 24]``."""
    errors: IntArray
    """1 for a wrong row, else 0; of a regression, the step that the size of the error falls in."""
    texts: Texts
    """Values that have no cell, by column, ``[n, K]``."""

    @classmethod
    def none(cls) -> Self:
        """Return no rows."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, np.zeros((0, MOST_COLUMNS), np.uint8), nothing, np.zeros((0, 0), TYPE))

    @classmethod
    def joined(cls, parts: Sequence[Marked]) -> Marked:
        """Return the rows of all."""
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.parts for part in parts]),
            np.concatenate([part.errors for part in parts]),
            np.concatenate([part.texts for part in parts]),
        )

    def to_bytes(self, identity: str) -> bytes:
        """Return bytes with a checksum, which say what the cells are."""
        columns = [
            self.keys.astype("<i8").tobytes(),
            self.parts.tobytes(),
            self.errors.astype("<i2").tobytes(),
            self.texts.shape[1],
            self.texts.tobytes(),
        ]
        return seal(msgspec.msgpack.encode([identity, *columns]))

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple[str, Self]:
        """Return what ``to_bytes`` took apart; of rows in an older form nothing, of no identity.

        Raises
        ------
        CorruptCountsError
            When the bytes are damaged.
        """
        body = unseal(data, "rows that wait to be counted by cell are damaged")
        fields = msgspec.msgpack.decode(body)
        if len(fields) != _FIELDS:
            return "", cls.none()
        identity, keys, parts, errors, width, texts = fields
        rows = np.frombuffer(keys, "<i8").astype(np.int64)
        known = np.frombuffer(parts, np.uint8).reshape(-1, MOST_COLUMNS)
        values = np.frombuffer(texts, TYPE).reshape(-1, width) if width else np.zeros((len(rows), 0), TYPE)
        return identity, cls(rows, known, np.frombuffer(errors, "<i2").astype(np.int64), values)
