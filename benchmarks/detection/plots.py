"""Dots on a line a row, as SVG that needs nothing to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

_LEFT: Final = 430
_WIDTH: Final = 520
_ROW: Final = 18
_TOP: Final = 64
_COLOURS: Final = ("#1f5fa8", "#d9822b", "#5b8c3a", "#8a4f9e", "#777777")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: values by series, each with the ends of its interval if it has one."""

    label: str
    values: Mapping[str, tuple[float, float, float]]


def dots(title: str, axis: str, rows: Sequence[Row], marks: Sequence[tuple[float, str]], *, log: bool) -> str:
    """Return the drawing; ``marks`` are vertical lines with a word each.

    >>> "<circle" in dots("a", "b", [Row("c", {"d": (1.0, 0.5, 2.0)})], [(1.0, "e")], log=True)
    True
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    numbers = [part for row in rows for one in row.values.values() for part in one] + [value for value, _ in marks]
    finite = [one for one in numbers if np.isfinite(one) and (one > 0 or not log)]
    low, high = min(finite), max(finite)
    low, high = (low / 1.3, high * 1.3) if log else (min(low, 0.0), high * 1.05)

    def x(value: float) -> float:
        kept = min(max(value, low), high)
        part = np.log(kept / low) / np.log(high / low) if log else (kept - low) / (high - low)
        return float(round(_LEFT + _WIDTH * part, 1))

    height = _TOP + _ROW * len(rows) + 40
    size = f'viewBox="0 0 {_LEFT + _WIDTH + 30} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="14">{escape(title)}</text>',
    ]
    for place, name in enumerate(names):
        parts.append(f'<circle cx="{20 + 190 * place}" cy="36" r="4" fill="{_COLOURS[place]}"/>')
        parts.append(f'<text x="{30 + 190 * place}" y="40">{escape(name)}</text>')
    bottom = _TOP + _ROW * len(rows)
    for value, word in [*marks, *[(one, f"{one:g}") for one in _ticks(low, high, log=log)]]:
        dash = "" if (value, word) in marks else ' stroke-dasharray="1 4"'
        line = f'<line x1="{x(value)}" x2="{x(value)}" y1="{_TOP - 8}" y2="{bottom}" stroke="#999"{dash}/>'
        parts.append(f'{line}<text x="{x(value)}" y="{bottom + 14}" text-anchor="middle" fill="#555">{word}</text>')
    parts.append(f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">{escape(axis)}</text>')
    for line_number, row in enumerate(rows):
        y = _TOP + _ROW * line_number + 6
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(row.label)}</text>')
        for name, (value, least, most) in row.values.items():
            colour = _COLOURS[names.index(name)]
            parts.append(f'<line x1="{x(least)}" x2="{x(most)}" y1="{y}" y2="{y}" stroke="{colour}" opacity=".6"/>')
            parts.append(f'<circle cx="{x(value)}" cy="{y}" r="4" fill="{colour}" opacity=".85"/>')
    return "\n".join([*parts, "</svg>\n"])


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    if not log:
        step = 10 ** np.floor(np.log10(high - low))
        return [float(one) for one in np.arange(0, high, step if (high - low) / step > 3 else step / 2)]
    every = [10.0**power * part for power in range(-4, 5) for part in (1, 3)]
    return [one for one in every if low <= one <= high]
