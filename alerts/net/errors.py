"""Why an attempt to deliver failed, in words that are safe to show."""

from __future__ import annotations

import time
from collections.abc import Callable

from alerts.notification import Deadline, Outcome, Rejected, Retry


class DeliveryError(Exception):
    """An attempt failed.

    Parameters
    ----------
    reason
        One sentence that may be stored, logged and shown. It is written here and never taken from a library's
        exception, which may quote an address, a header or a reply.
    lasting
        Whether another attempt with the same configuration fails as well.
    sent
        Whether anything of the request had left, so that the other side may have acted on it.
    """

    def __init__(self, reason: str, *, lasting: bool = False, sent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting
        self.sent = sent


def seconds_left(deadline: Deadline) -> float:
    """Return the seconds until a deadline, 0 when it has passed."""
    return max(0.0, deadline.at - time.monotonic())


def outcome_of(attempt: Callable[[], Outcome]) -> Outcome:
    """Return what an attempt came to, with its failure as an outcome.

    >>> def refuse() -> Outcome:
    ...     raise DeliveryError("hook.example refused the connection")
    >>> outcome_of(refuse)
    Retry(reason='hook.example refused the connection', after=None)
    """
    try:
        return attempt()
    except DeliveryError as error:
        return Rejected(error.reason) if error.lasting else Retry(error.reason)
