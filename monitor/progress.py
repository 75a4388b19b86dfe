"""What one model keeps in the store beside its counts: closed windows, roll-ups, learning, the learnt reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from monitor.changes import layout_changes, topic_changes
from monitor.closing import Closing
from monitor.config.model import stream_name
from monitor.keys import compose
from monitor.learning import Learning
from monitor.learnt import restore_coders
from monitor.model import NEVER_ROLLED, Model
from monitor.origins import origins_of
from monitor.panes import LAYOUTS, Reader

CLOSING: Final = b"C"
MODELS: Final = b"M"
LEARNING: Final = b"L"
LEARNT: Final = b"E"
_FORMAT: Final = 1


def encode_closing(closing: Closing) -> bytes:
    """Return a model's window progress as bytes."""
    return msgspec.msgpack.encode({"format": _FORMAT, **closing.state()})


def decode_closing(data: bytes) -> Closing:
    """Return the window progress that ``encode_closing`` took apart."""
    return Closing.restore(msgspec.msgpack.decode(data))


def changes_of(model: Model, written: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return what of a model must be written: its marks, its learning, its learnt reference, each only if it changed.

    ``written`` holds what was returned before, and is brought up to date.
    """
    name = model.config.name
    marks = {
        "format": _FORMAT,
        "rolled": model.rolled,
        "last_time": model.last_time,
        "versions": model.versions,
        "appeared": sorted([window, field, start] for (window, field), start in model.appeared.items()),
        "types": model.types if model.features is None else {},
        "tiers": model.windows.tiers.lengths,
        "layout": model.layout.identity,
        "origins": origins_of(model.config.predictions),
        "topic": stream_name(model.config.predictions),
    }
    found = {compose(MODELS, 0, name): msgspec.msgpack.encode(marks)}
    learning = model.learning
    key = compose(LEARNING, 0, name)
    if learning is not None and (learning.changed or key not in written):
        found[key] = msgspec.msgpack.encode(learning.state())
        learning.changed = False
    if model.learnt is not None:
        found[compose(LEARNT, 0, name)] = model.learnt
    fresh = {key: data for key, data in found.items() if written.get(key) != data}
    written.update(fresh)
    return fresh


def restore_model(model: Model, store: Reader) -> list[bytes]:
    """Put back what a model had, as far as the configuration still wants it; note in the model what it changed.

    Returns
    -------
    The keys that hold for the configuration no more, to be deleted with the next write.
    """
    name = model.config.name
    data = store.get(compose(MODELS, 0, name))
    if data is None:
        return []
    marks: dict[str, Any] = msgspec.msgpack.decode(data)
    _restore_tiers(model, marks)
    model.last_time = marks["last_time"]
    model.versions = dict(marks["versions"])
    model.appeared = {(window, field): start for window, field, start in marks.get("appeared", [])}
    model.changes += topic_changes(marks, stream_name(model.config.predictions))
    stale = [] if model.learning is None else _restore_learning(model, model.learning, marks, store)
    layout = store.get(compose(LAYOUTS, 0, marks["layout"]))
    if layout is not None and marks["layout"] != model.layout.identity:
        model.changes += layout_changes(layout, model.layout)
    return stale


def _restore_tiers(model: Model, marks: dict[str, Any]) -> None:
    """Keep the tiers of panes that are there, and how far each was rolled up."""
    model.windows = replace(model.windows, older=tuple(marks["tiers"]))
    rolled = dict(zip(marks["tiers"], marks["rolled"], strict=False))
    model.rolled = [rolled.get(length, NEVER_ROLLED) for length in model.windows.tiers.lengths[:-1]]


def _restore_learning(model: Model, learning: Learning, marks: dict[str, Any], store: Reader) -> list[bytes]:
    name = model.config.name
    keys = [compose(LEARNT, 0, name), compose(LEARNING, 0, name)]
    learnt, state = (store.get(key) for key in keys)
    origins = origins_of(model.config.predictions)
    moved = [role for role, origin in marks["origins"].items() if origins.get(role, origin) != origin]
    if moved:
        model.changes.append(f"learns its reference anew, since the mapping changed: {', '.join(sorted(moved))}")
        return keys
    if learnt is not None:
        model.adopt(learnt)
        return []
    found = None if state is None else msgspec.msgpack.decode(state)
    if found is None:
        return []
    if found["period"] != learning.period:
        model.changes.append("learns its reference anew, since the period changed")
        return keys
    model.learning = Learning.restore(found)
    model.types = dict(marks["types"])
    restore_coders(model)
    return []
