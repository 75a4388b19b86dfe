"""What one model keeps in the store beside its counts: closed windows, roll-ups, learning, the learnt reference."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.closing import Closing
from monitor.learning import Learning
from monitor.learnt import restore_coders
from monitor.model import Model

CLOSING: Final = b"C"
MODELS: Final = b"M"
_FORMAT: Final = 1


def encode_closing(closing: Closing) -> bytes:
    """Return a model's window progress as bytes."""
    return msgspec.msgpack.encode({"format": _FORMAT, **closing.state()})


def decode_closing(data: bytes) -> Closing:
    """Return the window progress that ``encode_closing`` took apart."""
    return Closing.restore(msgspec.msgpack.decode(data))


def encode_model(model: Model) -> bytes:
    """Return what else a model keeps, as bytes."""
    return msgspec.msgpack.encode(
        {
            "format": _FORMAT,
            "rolled": model.rolled,
            "last_time": model.last_time,
            "versions": model.versions,
            "learning": None if model.learning is None else model.learning.state(),
            "learnt": model.learnt,
        }
    )


def restore_model(model: Model, data: bytes) -> None:
    """Put back what ``encode_model`` took apart; what the configuration changed since stays as it is."""
    state: dict[str, Any] = msgspec.msgpack.decode(data)
    if len(state["rolled"]) == len(model.rolled):
        model.rolled = list(state["rolled"])
    model.last_time = state["last_time"]
    model.versions = dict(state["versions"])
    if model.learning is None:
        return
    if state["learnt"] is not None:
        model.adopt(state["learnt"])
    elif state["learning"] is not None and state["learning"]["period"] == model.learning.period:
        model.learning = Learning.restore(state["learning"])
        restore_coders(model)
