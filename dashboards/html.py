"""HTML that is escaped by construction: only ``tag`` makes markup, and what it is given is text unless it is Html."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

import msgspec

from monitor.labels import label

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})
_REPLACED: Final[dict[int, str]] = {
    **dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000)), "\ufffd"),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), ""),
}
"""What no page may hold, and what would turn the direction of the text around it."""
_IN_SCRIPT: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


class Html(str):
    """Markup that may stand in a page as it is."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def text(value: object) -> Html:
    r"""Return anything as text that a page can hold.

    >>> text("<script>\ud800")
    '&lt;script&gt;\ufffd'
    """
    return value if isinstance(value, Html) else Html(escape(str(value).translate(_REPLACED)))


def tag(kind: str, *children: Child, **attributes: Attribute) -> Html:
    """Return an element; ``class_`` and ``data_x`` are written ``class`` and ``data-x``.

    An attribute that is ``None`` or ``False`` is left out, one that is ``True`` has no value; ``None`` is no child.

    >>> tag("a", "x < y", " ", tag("b", 1), href="/?a=1&b=2", hidden=True, title=None)
    '<a href="/?a=1&amp;b=2" hidden>x &lt; y <b>1</b></a>'
    """
    parts = [f"<{kind}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        plain = name.rstrip("_").replace("_", "-")
        parts.append(f" {plain}" if value is True else f' {plain}="{text(value)}"')
    parts.append(">")
    _append(parts, children)
    if kind not in _VOID:
        parts.append(f"</{kind}>")
    return Html("".join(parts))


def join(*children: Child) -> Html:
    """Return children one after the other."""
    parts: list[str] = []
    _append(parts, children)
    return Html("".join(parts))


def name(value: str) -> Html:
    """Return a name that a producer chose, cut to size, its direction kept to itself.

    >>> name("a<b")
    '<bdi>a&lt;b</bdi>'
    """
    return tag("bdi", label(value))


def data(value: object, **attributes: Attribute) -> Html:
    r"""Return values for scripts, as an element that browsers do not run.

    >>> data({"a": "</script>"})
    '<script type="application/json">{"a":"\\u003c/script\\u003e"}</script>'
    """
    encoded = Html(msgspec.json.encode(value).decode().translate(_IN_SCRIPT))
    return tag("script", encoded, type="application/json", **attributes)


def _append(parts: list[str], children: Iterable[Child]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str | int | float):
            parts.append(text(child))
        else:
            _append(parts, child)
