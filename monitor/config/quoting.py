"""Texts as YAML scalars, for configurations that are written by a program."""

from __future__ import annotations

import json
import re
from typing import Final

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./\[\]-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_PAIR = re.compile(r"[\U00010000-\U0010ffff]")


def key(text: str) -> str:
    r"""Return a text as a YAML key. Keys are not interpolated.

    >>> key("amount"), key("on"), key("${HOME}")
    ('amount', '"on"', '"${HOME}"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # JSON writes a character beyond the basic plane as two surrogates, which YAML takes for two characters.
    parts = (json.dumps(part, ensure_ascii=True)[1:-1] for part in _PAIR.split(text))
    wide = [f"\\U{ord(character):08x}" for character in _PAIR.findall(text)]
    return '"' + "".join(part + after for part, after in zip(parts, [*wide, ""], strict=True)) + '"'


def scalar(text: str) -> str:
    """Return a text as a YAML scalar; what the loader would interpolate is escaped.

    >>> scalar("value.features"), scalar("on"), scalar("{key}:{row}"), scalar("${HOME}")
    ('value.features', '"on"', '"{key}:{row}"', '"$${HOME}"')
    """
    return key(text.replace("${", "$${"))
