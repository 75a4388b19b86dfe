"""What the service hands over: facts about one moment or window of one model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

FORMAT: Final = 1
"""First byte of encoded signals; another means another software wrote them."""
_NAN: Final = math.nan

KINDS: Final = {
    "drift": "a column's distribution against the reference, a window at a time",
    "score": "the model's output against the reference, a window at a time",
    "quality": "missing, bad, unseen or out-of-range values of a column, a window at a time",
    "volume": "rows of a window against what that hour usually brings",
    "performance": "a metric on matured labels against its baseline, a window at a time",
    "estimate": "performance as estimated without labels, a window at a time",
    "calibration": "predicted probabilities against outcomes, a window at a time",
    "fairness": "differences between groups of a protected column, a window at a time",
    "challenger": "a challenger's mean loss less its champion's on the same labelled ids, all rows so far",
    "concept": "an order-dependent detector on the model's errors",
    "evidence": "accumulated evidence of drift, with its threshold from the budget of false alarms",
    "last_prediction": "statistic: seconds since the last prediction came in",
    "last_label": "statistic: seconds since the last label came in",
    "rejected": "statistic: share of the records that could not be read, 0 to 1",
    "late": "statistic: share of the rows behind their watermark, 0 to 1",
    "lag": "statistic: seconds by which reading is behind the log",
    "coverage": "statistic: share of the mature predictions that have a label, 0 to 1",
    "shard": "statistic: seconds since a shard was heard of, or 0",
    "heartbeat": "the service works",
    "delivery": "statistic: seconds that the oldest message to a receiver waits; from this package itself",
}
"""Every kind of signal and what its figures mean."""

STATUSES: Final = ("ok", "warn", "drift", "insufficient", "withdrawn")
"""``insufficient``: too little data to say. ``withdrawn``: what was said of this window no longer holds."""


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact. Times are microseconds since the epoch; figures that do not exist are NaN.

    A signal about a window that was told before replaces what was told (``revision`` is then greater than zero).
    """

    number: int
    """Place in the sequence of the service's signals, without gaps; 0 for signals of this package."""
    kind: str
    """One of ``KINDS``."""
    observed_at: int
    """Wall clock when the service found it out. Frozen here, so that repeating it changes nothing."""
    model: str = ""
    owner: str = ""
    version: str = ""
    slice: str = ""
    """Empty for the whole population."""
    column: str = ""
    detector: str = ""
    window: str = ""
    """The window's name in the configuration."""
    start: int | None = None
    end: int | None = None
    """The window, ``None`` for facts about a moment."""
    statistic: float = _NAN
    reference: float = _NAN
    """The same figure in the reference."""
    effect: float = _NAN
    """The statistic less what chance alone adds to it, or the change of a metric."""
    low: float = _NAN
    high: float = _NAN
    """95 % interval of the effect."""
    threshold: float = _NAN
    p_value: float = _NAN
    evidence: float = _NAN
    """Natural logarithm of the accumulated evidence."""
    n: int = 0
    """Rows that the figures rest on."""
    direction: int = 0
    """Sign of the change, 0 where it has none."""
    status: str = "ok"
    """One of ``STATUSES``."""
    revision: int = 0
    """How often what was told of the window has changed, in rows merged after it closed."""
    importance: float = 0.0
    """Weight of the column in the model's predictions, 0 to 1."""
    onset: int | None = None
    """Since when the change is likely there."""
    explanation: str = ""
    """One sentence."""
    labels: Mapping[str, str] = {}
    """More that tells it from other signals of its kind: input, shard, receiver, metric, feed."""

    @property
    def at(self) -> int:
        """The time that hysteresis counts in: the window's end, or when it was observed.

        >>> Signal(number=1, kind="lag", observed_at=5).at, Signal(number=1, kind="drift", observed_at=5, end=3).at
        (5, 3)
        """
        return self.observed_at if self.end is None else self.end

    @property
    def length(self) -> int:
        """The window's length, 0 for facts about a moment."""
        return 0 if self.start is None or self.end is None else self.end - self.start


class SignalFormatError(ValueError):
    """Stored signals cannot be read."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Signal])


def encode_signals(signals: Iterable[Signal]) -> bytes:
    """Return signals as bytes, with the version of their format first.

    >>> decode_signals(encode_signals([Signal(number=7, kind="heartbeat", observed_at=1)]))[0].number
    7
    """
    return bytes([FORMAT]) + _ENCODER.encode(list(signals))


def decode_signals(data: bytes) -> list[Signal]:
    """Return the signals of ``encode_signals``.

    Raises
    ------
    SignalFormatError
        When the bytes are damaged or of another format.
    """
    if data[:1] != bytes([FORMAT]):
        raise SignalFormatError(f"signals of format {data[:1].hex() or 'none'} cannot be read")
    try:
        return _DECODER.decode(data[1:])
    except msgspec.MsgspecError as error:
        raise SignalFormatError(f"signals cannot be read: {error}") from error
