"""What one model keeps in the store beside its counts: closed windows, roll-ups, learning, the learnt reference."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.closing import Closing
from monitor.keys import compose
from monitor.learning import Learning
from monitor.learnt import restore_coders
from monitor.model import Model
from monitor.panes import Reader

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
        "types": model.types if model.features is None else {},
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


def restore_model(model: Model, store: Reader) -> None:
    """Put back what a model had; what the configuration changed since stays as it is."""
    name = model.config.name
    data = store.get(compose(MODELS, 0, name))
    if data is None:
        return
    marks: dict[str, Any] = msgspec.msgpack.decode(data)
    if len(marks["rolled"]) == len(model.rolled):
        model.rolled = list(marks["rolled"])
    model.last_time = marks["last_time"]
    model.versions = dict(marks["versions"])
    model.types = dict(marks.get("types", {}))
    if model.learning is None:
        return
    learnt, learning = store.get(compose(LEARNT, 0, name)), store.get(compose(LEARNING, 0, name))
    if learnt is not None:
        model.adopt(learnt)
        return
    state = None if learning is None else msgspec.msgpack.decode(learning)
    if state is not None and state["period"] == model.learning.period:
        model.learning = Learning.restore(state)
        restore_coders(model)
