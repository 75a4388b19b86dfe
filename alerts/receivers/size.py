"""Keeping bodies small whatever the alerts hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

BODY_LIMIT: Final = 20_000
"""Bytes of a body at most; what Standard Webhooks advises, and less than any receiver here takes."""
_WIDTHS: Final = (1000, 300, 80, 24)
# Control characters, what turns the direction of text, invisible ones, and halves of surrogate pairs.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]+"
)
_HALVES: Final = re.compile("[\ud800-\udfff]")


def plain(text: str, width: int) -> str:
    r"""Return ``text`` on one line, without characters that are not seen, cut to a width.

    >>> plain("a\r\n b\x1b[31m", 10), plain("a long story", 7)
    ('a b [31m', 'a long…')
    """
    cut = _UNSEEN.sub(" ", text[: 4 * width + 64])
    words = " ".join(cut.split())
    if len(words) > width or len(text) > 4 * width + 64:
        return f"{words[: max(0, width - 1)].rstrip()}…"
    return words


def exact(text: str, width: int) -> str:
    """Return ``text`` as it is for machines, but cut to a width and fit for UTF-8."""
    cut = text if len(text) <= width else f"{text[: max(0, width - 1)]}…"
    return _HALVES.sub("\ufffd", cut)


def fit(
    count: int, render: Callable[[int, int], bytes], limit: int = BODY_LIMIT, widths: Sequence[int] = _WIDTHS
) -> bytes:
    """Return the body with as many entries as fit, at the greatest width at which one does.

    Parameters
    ----------
    count
        Entries there are at most.
    render
        Makes a body of the first so many entries, texts cut to a width; it says how many are left out.
    limit
        Bytes at most.
    widths
        Widths to try, in order. At the last one a body without entries must fit.

    Examples
    --------
    >>> fit(9, lambda entries, width: b"x" * entries * width, limit=100, widths=(60, 20))
    b'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
    """
    for width in widths:
        best, fits, fails = b"", 0, count + 1
        while fits + 1 < fails:  # double, then halve: bodies that are far too large are never made
            tried = min(max(1, 2 * fits), count) if fails > count else (fits + fails) // 2
            body = render(tried, width)
            if len(body) <= limit:
                best, fits = body, tried
            else:
                fails = tried
        if best:
            return best
    return render(0, widths[-1])
