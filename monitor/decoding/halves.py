"""Requests and responses that are logged as events of their own: how each half is read."""

from __future__ import annotations

from typing import Any, Final

from monitor.config.model import HalfConfig, MapConfig, StreamConfig

REQUEST: Final = "request"
RESPONSE: Final = "response"
_SHARED: Final = ("id", "time", "decode")
"""What both halves have when the mapping does not say whose it is."""


class HalfError(ValueError):
    """The mapping does not say which half a role is of."""


def halves(stream: StreamConfig) -> tuple[StreamConfig, StreamConfig]:
    """Return how requests and how responses are read.

    A path that begins with ``request.`` or ``response.`` is of that half. The id and the time may be of both. The half
    that has no time of its own takes the record's log time; the prediction has that of the other.

    Raises
    ------
    HalfError
        When the stream has no pairs, a path is of neither half, or the id or the time is of one half only where it is
        needed of both.
    """
    pair = stream.pair
    if pair is None:
        raise HalfError("there are no pairs")
    return _half(stream, pair.request, REQUEST), _half(stream, pair.response, RESPONSE)


def has_own(stream: StreamConfig, role: str, half: str) -> bool:
    """Whether a role's path is of one half: ``time``, for example."""
    text = getattr(stream.map, role)
    return isinstance(text, str) and text.startswith(f"{half}.")


def _half(stream: StreamConfig, half: HalfConfig, name: str) -> StreamConfig:
    mapped: dict[str, Any] = {}
    for role in MapConfig.model_fields:
        said = getattr(stream.map, role)
        if role == "decode":
            mapped[role] = {
                _own(path, name) or path: how for path, how in said.items() if _own(path, _other(name)) is None
            }
        elif said is not None:
            own = _of_half(role, said, name)
            if own is not None:
                mapped[role] = own
    if "time" not in mapped:
        mapped["time"] = "timestamp"
    if "id" not in mapped:
        raise HalfError("map.id: a request and its response need the same id")
    return stream.model_copy(
        update={
            "pair": None,
            "topic": stream.topic if half.topic is None or stream.file is not None else half.topic,
            "where": {**stream.where, **half.where},
            "explode": half.explode,
            "feature_names": stream.feature_names if isinstance(mapped.get("features"), str) else None,
            "score_names": stream.score_names if isinstance(mapped.get("scores"), str) else None,
            "map": MapConfig.model_construct(**{**_NOTHING, **mapped}),
        }
    )


def _of_half(role: str, said: str | dict[str, str], name: str) -> str | dict[str, str] | None:
    if isinstance(said, dict):
        found = {key: own for key, path in said.items() if (own := _of_half(role, path, name)) is not None}
        return {key: str(path) for key, path in found.items()} or None
    own = _own(said, name)
    if own is not None or _own(said, _other(name)) is not None:
        return own
    if role in _SHARED:
        return said
    raise HalfError(f"map.{role}: must begin with {REQUEST}. or {RESPONSE}., as its record is one of two")


def _own(path: str, name: str) -> str | None:
    return path.removeprefix(f"{name}.") if path.startswith(f"{name}.") else None


def _other(name: str) -> str:
    return RESPONSE if name == REQUEST else REQUEST


_NOTHING: Final[dict[str, Any]] = {
    role: {} if role == "decode" else None for role in MapConfig.model_fields if role not in {"id", "time"}
}
