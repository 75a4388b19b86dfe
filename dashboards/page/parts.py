"""Pieces that several sections are made of: status words, cards, choices, tables, time series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from dashboards.figures import NONE, clock, span
from dashboards.figures import moment as time_of
from dashboards.html import Child, Html, data, join, name, tag
from dashboards.page.scene import Scene
from monitor.labels import label

SIGNS: Final = {
    "drift": ("▲", "drift"),
    "warn": ("◆", "warning"),
    "ok": ("●", "in order"),
    "insufficient": ("○", "too few rows"),
    "learning": ("◔", "learning"),
    "waiting": ("○", "no rows yet"),
}
"""Status → a shape and a word: colour never stands alone."""


def badge(status: str, words: str | None = None) -> Html:
    """Return a status as a shape and a word; empty ``words`` are for screen readers alone."""
    sign, word = SIGNS.get(status, ("○", status))
    told = word if words is None else words
    spelt = tag("b", f" {told or word}", class_=None if told else "unseen")
    return tag("span", tag("i", sign, aria_hidden="true"), spelt, class_=f"badge b-{status}")


def card(title: Child, *children: Child, id_: str, note: Child = None, wide: bool = True) -> Html:
    """Return a section with a heading; ``id_`` is stable, so that an update finds it."""
    head = None if title is None else tag("h2", title)
    told = None if note is None else tag("p", note, class_="note")
    return tag("section", head, told, *children, id=id_, class_="card wide" if wide else "card")


def tiles(figures: Iterable[tuple[str, Child, Child]]) -> Html:
    """Return figures: what each is of, the figure, and what to know beside it."""
    shown = (
        tag("div", tag("dt", title), tag("dd", value), None if beside is None else tag("dd", beside, class_="beside"))
        for title, value, beside in figures
    )
    return tag("dl", shown, class_="tiles")


def table(
    heads: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    caption: str,
    numbers: Sequence[int] = (),
    words: bool = False,
) -> Html:
    """Return a table.

    Parameters
    ----------
    heads, rows
        What stands in it; the first cell of a row is its heading.
    caption
        What a screen reader calls it.
    numbers
        Places of columns that stand to the right.
    words
        Whether cells hold sentences: on a narrow screen each row is then a block, with its headings before the cells.
    """
    right = set(numbers)
    head = (tag("th", text, scope="col", class_=_side(place, right)) for place, text in enumerate(heads))
    whole = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", tag("tr", head)),
        tag("tbody", (_row(row, heads, right, words=words) for row in rows)),
        class_="words" if words else None,
    )
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _row(row: Sequence[Child], heads: Sequence[Child], right: set[int], *, words: bool) -> Html:
    cells = []
    for place, cell in enumerate(row):
        head = heads[place] if words and place else None
        cells.append(
            tag(
                "td" if place else "th", cell, scope=None if place else "row", class_=_side(place, right),
                data_head=head if isinstance(head, str) and head and cell is not None and cell != "" else None,
            )
        )  # fmt: skip
    return tag("tr", cells)


def more(title: str, *children: Child) -> Html:
    """Return what is shown when it is asked for."""
    return tag("details", tag("summary", title), *children)


def link(address: str | None, *children: Child, **attributes: Any) -> Html:
    """Return a link, or only its text when there is no address."""
    return tag("a", *children, href=address, **attributes) if address else tag("span", *children)


def choice(title: str, options: Iterable[tuple[str, str | None, bool]]) -> Html | None:
    """Return links of which one is chosen: (text, address, whether it is); nothing when there is only one."""
    shown = list(options)
    if len(shown) < 2:
        return None
    links = [
        link(address, name(words), aria_current="true" if chosen else None, class_="on" if chosen else None)
        for words, address, chosen in shown
    ]
    return tag("nav", tag("span", title, class_="of"), links, class_="choice", aria_label=title)


def choices(scene: Scene) -> Html:
    """Return which version, window and range is looked at, and ways to others."""
    chosen = scene.chosen
    if chosen is None:
        return join()
    here, result = scene.links.here, chosen.result
    versions = dict.fromkeys(window.result.version for window in scene.whole)
    sizes = sorted({(w.result.end - w.result.start, w.result.window) for w in scene.whole})
    spans = [("latest", None), ("24 h", "24h"), ("7 d", "7d"), ("30 d", "30d")]
    if scene.ask.last is not None and scene.ask.last not in {last for _, last in spans}:
        spans.append((scene.ask.last, scene.ask.last))
    fixed = scene.ask.from_ is not None or scene.ask.to is not None
    ranges = [(text, here(scene.ask, last=last, from_=None, to=None), not fixed and scene.ask.last == last)
              for text, last in spans]  # fmt: skip
    if fixed:
        ranges.append((range_text(scene), here(scene.ask), True))
    return tag(
        "div",
        choice("Version", ((version or "(none)", here(scene.ask, version=label(version)), version == result.version)
                           for version in versions)),
        choice("Window", ((f"{window}, {span(size)}", here(scene.ask, window=label(window)), window == result.window)
                          for size, window in sizes)),
        choice("Time", ranges) if here(scene.ask) else None,
        class_="choices",
    )  # fmt: skip


def range_text(scene: Scene) -> str:
    """Return the range of time that is shown."""
    first, last = scene.ask.range(scene.newest)
    sheets = scene.sheets
    begin = time_of(first if first is not None or not sheets else sheets[0].start)
    end = time_of(last if last is not None or not sheets else sheets[-1].end)
    return f"{clock(begin)} to {clock(end)}"


def series(title: str, spec: dict[str, Any], rows: Iterable[Sequence[Child]], heads: Sequence[Child], id_: str) -> Html:
    """Return a time series: drawn by a script, with a table behind it for everybody else.

    Parameters
    ----------
    title
        What it shows.
    spec
        What the script draws: ``t`` in seconds, ``lines`` with ``label``, ``kind`` and ``values``, ``unit``.
    rows, heads
        The table.
    """
    return tag(
        "figure",
        tag("figcaption", title),
        tag("div", data(spec), class_="plot", role="img", aria_label=f"{title}. The figures are in the table below."),
        more("Figures", table(heads, rows, caption=title, numbers=range(1, len(heads)))),
        id=id_, class_="series",
    )  # fmt: skip


def sentence(text: str, longest: int = 500) -> str:
    r"""Return a text that JSON and pages can hold, cut to size.

    >>> sentence("a\ud800")
    'a\\ud800'
    """
    return text[:longest].encode("utf-8", "backslashreplace").decode()


def nothing(words: str) -> Html:
    """Return a sentence that stands where there is nothing to show."""
    return tag("p", words or NONE, class_="empty")


def _side(place: int, right: set[int]) -> str | None:
    return "n" if place in right else None
