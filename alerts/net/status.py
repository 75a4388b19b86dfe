"""What the status of an answer means for a message."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from alerts.notification import Delivered, Outcome, Rejected, Retry

MOST_WAIT: Final = 3600.0
_RETRIED: Final = frozenset({408, 425, 429})
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def retry_after(header: str | None, now: float | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), an hour at most.

    Parameters
    ----------
    header
        Seconds or an HTTP date; ``None`` when there is no such header.
    now
        Seconds since the epoch; by default the wall clock's.

    Examples
    --------
    >>> retry_after("120"), retry_after("Thu, 01 Jan 1970 00:01:40 GMT", now=40.0), retry_after("soon")
    (120.0, 60.0, None)
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text[:16]), MOST_WAIT)
    try:
        at = parsedate_to_datetime(text)
        stamp = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, stamp - (time.time() if now is None else now)), MOST_WAIT)


def outcome_of_status(status: int, origin: str, wait: str | None = None) -> Outcome:
    """Return the outcome of an answer by its status.

    2xx is delivered. 408, 425, 429 and 5xx may get through later, after what ``Retry-After`` asks for. 410 asks not
    to be called again. A redirect is never followed: whoever can answer could send the message anywhere. It and
    all other statuses stay as they are.

    Examples
    --------
    >>> outcome_of_status(429, "https://hook.example", "7")
    Retry(reason='https://hook.example answered 429', after=7.0)
    """
    reason = f"{origin} answered {status}"
    if 200 <= status < 300:
        return Delivered()
    if status in _RETRIED or status >= 500:
        return Retry(reason, retry_after(wait))
    if 300 <= status < 400:
        return Rejected(f"{reason}, a redirect, which is not followed")
    return Rejected(reason, disable=status == 410)
