"""What the status of an answer says about a run."""

from __future__ import annotations

from typing import Final

from alerts.net.http import Reply
from alerts.net.status import retry_after
from alerts.retraining.targets.port import Answer, NotStarted, Refused, Unknown

_NOT_TAKEN: Final = frozenset({425, 429})


def failure(reply: Reply, *, lasting_auth: bool = True) -> Answer:
    """Return what an answer that is no success means.

    425 and 429 say that nothing was done. Other 4xx and redirects refuse. 408 and 5xx leave open what was done: a
    proxy answers so for a request that went through.

    Parameters
    ----------
    lasting_auth
        Whether 401 and 403 refuse for good; a token that is renewed may be taken later.

    Examples
    --------
    >>> failure(Reply("https://ci.example", 502, None, b""))
    Unknown(reason='https://ci.example answered 502', after=None)
    """
    reason, wait = f"{reply.origin} answered {reply.status}", retry_after(reply.retry_after)
    if reply.status in _NOT_TAKEN or (reply.status in {401, 403} and not lasting_auth):
        return NotStarted(reason, wait)
    if reply.status == 408 or reply.status >= 500 or reply.status < 200:
        return Unknown(reason, wait)
    if 300 <= reply.status < 400:
        return Refused(f"{reason}, a redirect, which is not followed")
    return Refused(reason)
