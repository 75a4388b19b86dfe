"""Times as messages show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = -62_135_596_800_000_000
_LAST: Final = 253_402_300_799_999_999
NEVER: Final = "0001-01-01T00:00:00Z"
"""How Alertmanager says that an alert has not ended."""


def moment(micros: int) -> datetime:
    """Return microseconds since the epoch as a time in UTC, within the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=min(max(micros, _FIRST), _LAST))


def rfc3339(micros: int) -> str:
    """Return a time as machines read it.

    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return moment(micros).isoformat(timespec="microseconds").replace("+00:00", "Z")


def for_people(micros: int) -> str:
    """Return a time as people read it.

    >>> for_people(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{moment(micros):%Y-%m-%d %H:%M} UTC".rjust(20, "0")
