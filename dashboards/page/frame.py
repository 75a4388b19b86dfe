"""What stands around the sections: head, navigation, foot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dashboards.html import Child, Html, join, tag
from dashboards.page import assets

REFRESH: Final = 5
"""Seconds between two looks for something new."""
_TOP: Final = (("/", "Models"), ("/alerts", "Alerts"), ("/retraining", "Retraining"), ("/pipeline", "Pipeline"))


def document(title: str, place: Html, body: Child, *, path: str, live: bool = True, charts: bool = False) -> bytes:
    """Return a whole page.

    Parameters
    ----------
    title
        Of the browser's tab.
    place, body
        Where one is, and the sections.
    path
        Of the page, to mark it in the navigation.
    live
        Whether it looks for updates by itself.
    charts
        Whether it has time series.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title} · Driftline"),
        tag("link", rel="icon", href=assets.address("icon.svg"), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=assets.address("page.css")),
        tag("link", rel="stylesheet", href=assets.address("uplot.css")) if charts else None,
        tag("script", src=assets.address("page.js")),
        tag("script", src=assets.address("uplot.js"), defer=True) if charts else None,
    )
    whole = tag(
        "html",
        head,
        tag(
            "body",
            tag("a", "Skip to the content", href="#content", class_="skip"),
            _header(path),
            tag("main", place, body, id="content"),
            tag("footer", tag("p", "All times are UTC. ", _take_along() if live else None)),
        ),
        lang="en",
        data_live=REFRESH if live else None,
    )
    return f"<!doctype html>\n{whole}\n".encode()


def place(title: Child, crumbs: Iterable[Child] = (), *more: Child) -> Html:
    """Return the heading of a page, with the way that leads to it."""
    way = [join(crumb, " / ") for crumb in crumbs]
    trail = tag("nav", way, class_="crumbs", aria_label="Breadcrumb") if way else None
    return tag("div", trail, tag("h1", title), *more, class_="place", id="place")


def tabs(options: Iterable[tuple[str, str, bool]]) -> Html:
    """Return links to the pages of one model: (text, address, whether it is this one)."""
    links = [tag("a", words, href=address, aria_current="page" if here else None) for words, address, here in options]
    return tag("nav", links, class_="tabs", aria_label="Of this model")


def logo() -> Html:
    """Return the picture beside the name: two distributions, one moved."""
    return tag(
        "svg",
        tag("path", d="M2 20c5 0 4-12 8-12s3 12 8 12", class_="a"),
        tag("path", d="M8 20c5 0 4-15 8-15s3 15 8 15", class_="b"),
        viewBox="0 0 26 26",
        aria_hidden="true",
    )


def _take_along() -> Html:
    """Return links to the report in its formats."""
    kinds = (("html", "one HTML file"), ("md", "Markdown"), ("json", "JSON"))
    return join("Take it along: ", [join(", " if at else "", tag("a", words, href=f"/report.{kind}", download=True))
                                    for at, (kind, words) in enumerate(kinds)], ".")  # fmt: skip


def _header(path: str) -> Html:
    links = [tag("a", words, href=to, aria_current="page" if to == path else None) for to, words in _TOP]
    side = tag(
        "div",
        tag("span", id="live", role="status"),
        tag("button", "Dark", id="theme", type="button", hidden=True, aria_label="Switch between dark and light"),
        class_="side",
    )
    brand = tag("a", logo(), "Driftline", href="/", class_="brand")
    return tag("header", tag("div", brand, tag("nav", links, aria_label="Main"), side))
