"""Looking for fields that the model does not know: in a few records, since parsing skips what nobody asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.decoding.cells import is_field_name
from monitor.decoding.plan import Plan
from monitor.decoding.tables import Table
from monitor.decoding.text import PARSE_ERRORS
from monitor.events import IntArray

LOOK_EVERY: Final = 64
"""One record in so many is looked at; a power of two."""
UNNAMED: Final = "other"
"""What stands for fields whose names cannot be told, or are too many."""
MOST_AT_ONCE: Final = 100
"""Unknown fields of one row that are told apart."""
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(64 - (LOOK_EVERY.bit_length() - 1))

Look: TypeAlias = Callable[[Table, Sequence[int]], Iterable[object]]
"""Hands out the objects of features of some rows of a table, one a row."""


def is_looked_at(offsets: IntArray) -> NDArray[np.bool_]:
    """Return which offsets are looked at: a function of the offset alone, so the same whoever reads the log.

    Offsets are spread by the golden ratio, so that two producers that take turns are both looked at.

    >>> int(is_looked_at(np.arange(64_000)).sum())
    1000
    """
    looked: NDArray[np.bool_] = (offsets.astype(np.uint64) * _GOLDEN) >> _SHIFT == 0
    return looked


def knows_all_fields(plan: Plan) -> Callable[[bytes], bool]:
    """Return what tells quickly of a text that it is JSON with no unknown field; ``False`` says nothing."""
    fields = sorted({*(plan.schema.columns or ()), *plan.reserved}, key=str)
    names = {f"f{place}": name for place, name in enumerate(fields)}
    kinds = [(field, msgspec.Raw, msgspec.Raw()) for field in names]
    struct = msgspec.defstruct("Features", kinds, rename=names, forbid_unknown_fields=True)
    for step in reversed(() if plan.features is None else plan.features.steps):
        struct = msgspec.defstruct("Holder", [("f", struct | None, None)], rename={"f": str(step)})
    decode = msgspec.json.Decoder(struct).decode

    def knows(text: bytes) -> bool:
        try:
            decode(text)
        except PARSE_ERRORS:
            return False
        return True

    return knows


def unknown_fields(plan: Plan, features: object) -> tuple[str, ...]:
    """Return the fields that are neither columns nor mapped as something else, sorted."""
    columns = plan.schema.columns
    if columns is None or not isinstance(features, dict):
        return ()
    strange = [name for name in features if name not in columns and name not in plan.reserved]
    found = sorted({name if is_field_name(name) else UNNAMED for name in strange})
    return tuple(found) if len(found) <= MOST_AT_ONCE else (*found[:MOST_AT_ONCE], UNNAMED)


def look(plan: Plan, table: Table, offsets: IntArray, objects: Look) -> dict[int, tuple[str, ...]] | None:
    """Return row → its unknown fields, for the rows that are looked at; ``None`` where every field is known.

    That is where features are mapped one by one, or are still being learnt.
    """
    if plan.features is None or plan.learning:
        return None
    rows = np.flatnonzero(is_looked_at(offsets)).tolist()
    if not rows:
        return {}
    return {row: unknown_fields(plan, features) for row, features in zip(rows, objects(table, rows), strict=True)}
