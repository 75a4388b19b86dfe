"""What a prediction carries through the join: fixed-width fields that the join itself never looks into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.void]
MOST_BYTES: Final = 1280
_KINDS: Final = "iufbS"


class Payload:
    """Packs columns of equal length into one structured array, and back.

    Parameters
    ----------
    fields
        Name → numpy type, such as ``"<i8"``: integers, floats, booleans or bytes of fixed length, little-endian, or
        several of one such type side by side, such as ``"(3,)<f8"``.

    Raises
    ------
    ValueError
        When a type is of another kind, or a row is wider than 1280 bytes.

    Examples
    --------
    >>> payload = Payload({"time": "<i8", "score": "<f4"})
    >>> rows = payload.pack({"time": np.array([1, 2]), "score": np.array([0.5, 1.0])})
    >>> payload.dtype.itemsize, payload.unpack(rows)["score"].tolist()
    (12, [0.5, 1.0])
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        self.dtype: np.dtype[np.void] = np.dtype(list(self.fields.items()))
        for name in self.fields:
            kind = self.dtype[name].base
            if kind.kind not in _KINDS or kind.byteorder == ">":
                raise ValueError(f"field {name!r} cannot be of type {self.fields[name]!r}")
        if self.dtype.itemsize > MOST_BYTES:
            raise ValueError(f"a payload of {self.dtype.itemsize} bytes is too wide, {MOST_BYTES} at most")

    def pack(self, columns: Mapping[str, NDArray[Any]]) -> Rows:
        """Return the columns as rows.

        Raises
        ------
        KeyError
            When a field has no column.
        ValueError
            When the columns are of different lengths, or a value does not fit its type.
        """
        rows = np.zeros(len(columns[next(iter(self.fields))]) if self.fields else 0, self.dtype)
        for name in self.fields:
            values = np.asarray(columns[name])
            shape = (*rows.shape, *self.dtype[name].shape)
            if values.shape != shape:
                raise ValueError(f"column {name!r} has shape {values.shape}, not {shape}")
            if self.dtype[name].base.kind in "iu" and len(values):
                limits = np.iinfo(self.dtype[name].base)
                if values.min() < limits.min or values.max() > limits.max:
                    raise ValueError(f"column {name!r} has values that {self.fields[name]!r} cannot hold")
            rows[name] = values
        return rows

    def unpack(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Return the rows as columns, without copying."""
        return {name: rows[name] for name in self.fields}

    def describe(self) -> list[list[str]]:
        """Return plain values that a later process can read rows of this payload by."""
        return [[name, kind] for name, kind in self.fields.items()]

    @classmethod
    def described(cls, description: Sequence[Sequence[str]]) -> Payload:
        """Return the payload that ``describe`` took apart."""
        return cls({str(field[0]): str(field[1]) for field in description})

    def convert(self, rows: Rows, older: Payload) -> Rows:
        """Carry rows of an older payload over by name.

        A field that is new, or of another kind, is NaN in a float and zero elsewhere.
        """
        found = np.zeros(len(rows), self.dtype)
        for name, kind in self.fields.items():
            if name in older.fields and _fits(older.dtype[name], self.dtype[name]):
                found[name] = rows[name]
            elif np.dtype(kind).base.kind == "f":
                found[name] = np.nan
        return found


def together(parts: Sequence[Rows], dtype: np.dtype[np.void]) -> Rows:
    """Return rows of one type as one array; numpy's own way compares the types field by field for every part."""
    filled = [part for part in parts if len(part)]
    if len(filled) == 1:
        return filled[0]
    rows = np.empty(sum(map(len, parts)), dtype)
    start = 0
    for part in parts:
        rows[start : start + len(part)] = part
        start += len(part)
    return rows


def _fits(older: np.dtype[Any], newer: np.dtype[Any]) -> bool:
    return older.shape == newer.shape and np.can_cast(older.base, newer.base, "safe")
