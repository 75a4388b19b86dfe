"""What a changed configuration means for the counts that are there: who goes on, who starts fresh. Said aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from monitor.layout import Layout

_MOST_NAMED = 10


def layout_changes(before: bytes, layout: Layout) -> list[str]:
    """Return a sentence for each kind of difference between a stored layout's description and the present layout.

    >>> from monitor.coders import Flags
    >>> old = Layout({"a": Flags("x"), "b": Flags("x"), "gone": Flags("x")})
    >>> for sentence in layout_changes(old.describe(), Layout({"a": Flags("x"), "b": Flags("y"), "new": Flags("x")})):
    ...     print(sentence)
    counted from now on: new
    start fresh, since their bins or their mapping changed: b
    no longer counted: gone
    """
    old, new = _parts(before), _parts(layout.describe())
    told = {
        "counted from now on": [name for name in new if name not in old],
        "start fresh, since their bins or their mapping changed": [n for n in new if n in old and new[n] != old[n]],
        "no longer counted": [name for name in old if name not in new],
    }
    return [f"{what}: {_listed(names)}" for what, names in told.items() if names]


def window_changes(fresh: Sequence[str], gone: Sequence[str]) -> list[str]:
    """Return a sentence for windows that are new or changed, and one for windows that are no more."""
    told = {"windows that start fresh after the latest row": fresh, "windows that are no more": gone}
    return [f"{what}: {_listed(names)}" for what, names in told.items() if names]


def topic_changes(marks: Mapping[str, Any], topic: str) -> list[str]:
    """Return a sentence when the model read another topic before."""
    before = marks.get("topic", topic)
    if before == topic:
        return []
    return [f"reads {topic} and no longer {before}; counts and event time go on, positions are each topic's own"]


def _parts(description: bytes) -> dict[str, str]:
    """Return column, or ``slices of`` its columns → identity; what is counted within a slicing belongs to it."""
    parts: dict[str, str] = {}
    rows: Sequence[tuple[Any, str, int]] = msgspec.msgpack.decode(description)
    for name, identity, _ in rows:
        known = name if isinstance(name, str) else f"slices of {','.join(name[0])}"
        parts[known] = parts.get(known, "") + identity
    return parts


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
