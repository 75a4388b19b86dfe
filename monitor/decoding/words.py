"""Equal texts of a column as one object: they are hashed and compared quickly, and stay in the cache."""

from __future__ import annotations

from typing import Final

from monitor.decoding.cells import Values

MOST: Final = 4096
"""Texts that are remembered at once."""
_REST: Final = 64


class Words:
    """The texts of one column so far. Memory is bounded; a column of mostly new texts is left alone for a while.

    Examples
    --------
    >>> words = Words()
    >>> a, b = (words.unite(["red", None, "red"]) for _ in range(2))
    >>> a, a[0] is b[2]
    (['red', None, 'red'], True)
    >>> words.unite(["red", 1]) is None
    True
    """

    def __init__(self) -> None:
        self._known = _Known({None: None})
        self._rest = 0

    def unite(self, values: Values) -> list[str | None] | None:
        """Return texts and ``None`` as they are, equal texts as one object; ``None`` where something else stands."""
        if self._rest:
            self._rest -= 1
            return values if _TEXTS.issuperset(map(type, values)) else None  # type: ignore[return-value]  # checked
        self._known.fresh = 0
        try:
            texts = list(map(self._known.__getitem__, values))  # type: ignore[arg-type]  # what is no text raises
        except TypeError:
            return None
        if 2 * self._known.fresh > len(values):
            self._known.forget()
            self._rest = _REST
        return texts


class _Known(dict[str | None, str | None]):
    """Text → the object that stands for it."""

    fresh = 0

    def __missing__(self, value: str | None) -> str | None:
        if type(value) is not str:
            raise TypeError
        if len(self) >= MOST:
            self.forget()
        self.fresh += 1
        self[value] = value
        return value

    def forget(self) -> None:
        self.clear()
        self[None] = None


_TEXTS: Final = frozenset({str, type(None)})
