"""Keeping secrets out of texts that people and log stores read.

The patterns bound every repetition that could start at many places, so time is linear in the text whatever it holds.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_URL: Final = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,20})://([^\s\"'<>`]+)")
_QUERY_VALUE: Final = re.compile(r"=[^&;]*")
_SECRET_PATH: Final = re.compile(r"(/(?:services|web_?hooks?[^/?]*|bot[^/?]*)/).+", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"""((?:passw(?:or)?d|secret|api[_-]?key|credential|private_key)\w{0,20}["']?\s{0,3}[=:]\s{0,3}|"""
    r"""token\w{0,20}["']?\s{0,3}=\s{0,3}|"""
    r"""authorization["']?\s{0,3}[:=]\s{0,3}(?:(?:bearer|basic)\s{1,3})?)"""
    r"""(?:"[^"]*"|'[^']*'|[^\s"',;&)}]+)""",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"\b(bearer\s{1,3})\S{8,}", re.IGNORECASE)
_SIGNING: Final = re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+")
_SECRET_NAME: Final = re.compile(
    r"passw(or)?d|secret|token|authorization|api_?key|credential|private_key|cookie", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret.

    >>> is_secret_name("sasl_plain_password"), is_secret_name("topic")
    (True, False)
    """
    return _SECRET_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return ``text`` without the secrets that can be told by their shape.

    Masks user and password of URLs, the values of their queries, paths of web hooks that are secrets themselves,
    ``password=…`` and its kin, bearer tokens and signing keys. Masks too much rather than too little.

    >>> redact("POST https://joe:hunter2@host/a?key=abc&x=1 failed")
    'POST https://***@host/a?key=***&x=*** failed'
    >>> redact("https://hooks.slack.com/services/T0/B0/XYZ")
    'https://hooks.slack.com/services/***'
    >>> redact("password='hunter2', user='joe'")
    "password=***, user='joe'"
    """
    text = _URL.sub(_redact_url, text)
    text = _ASSIGNED.sub(rf"\g<1>{MASK}", text)
    text = _BEARER.sub(rf"\g<1>{MASK}", text)
    return _SIGNING.sub(f"whsec_{MASK}", text)


def _redact_url(match: re.Match[str]) -> str:
    scheme, rest = match[1], match[2]
    userinfo, at, rest = rest.rpartition("@")
    rest, hash_, _ = rest.partition("#")
    path, question, query = rest.partition("?")
    shown = f"{scheme}://{MASK}@" if at and userinfo else f"{scheme}://"
    shown += _SECRET_PATH.sub(rf"\g<1>{MASK}", path)
    if question:
        shown += f"?{_QUERY_VALUE.sub(f'={MASK}', query)}" if "=" in query else f"?{MASK}"
    return f"{shown}#{MASK}" if hash_ else shown
