"""Rendered answers, kept for a moment so that a storm of requests costs no more than a few."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from monitor.views import View, ViewHolder

_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
_REUSE: Final = 1.0
"""Seconds for which a page of the same View is good; longer, and the process's own figures would be stale."""
_SHARE: Final = 0.05
"""At most this share of the time goes into rendering, however many ask."""


@dataclass(slots=True)
class _Page:
    view: View | None
    content_type: str
    body: bytes
    made_at: float
    cost: float
    """Seconds to render and compress."""
    compressed: bytes | None = None


class MetricsPage:
    """Renders a registry in the two formats that Prometheus reads.

    ``cached`` is cheap and may be called from anywhere; ``render`` may take a second with many series and must be
    called by one thread at a time.
    """

    def __init__(
        self, registry: CollectorRegistry, holder: ViewHolder, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._holder = holder
        self._monotonic = monotonic
        self._pages: dict[str, _Page] = {}

    def cached(self, accept: str, *, compress: bool) -> tuple[str, bytes] | None:
        """Return content type and body when there is a page that is fresh enough."""
        page = self._pages.get(_format(accept))
        if page is None or not self._is_fresh(page):
            return None
        body = page.compressed if compress else page.body
        return None if body is None else (page.content_type, body)

    def render(self, accept: str, *, compress: bool) -> tuple[str, bytes]:
        """Return content type and body, made anew unless another request just did.

        Parameters
        ----------
        accept
            The request's header: OpenMetrics when it asks for it, otherwise the Prometheus text format.
        compress
            Whether the client takes gzip.
        """
        kind = _format(accept)
        page = self._pages.get(kind)
        if page is None or not self._is_fresh(page):
            began = self._monotonic()
            encode, content_type = choose_encoder(kind)
            view = self._holder.current
            body = encode(self._registry)
            ended = self._monotonic()
            page = self._pages[kind] = _Page(view, content_type, body, ended, ended - began)
        if not compress:
            return page.content_type, page.body
        if page.compressed is None:
            began = self._monotonic()
            page.compressed = gzip.compress(page.body, compresslevel=3, mtime=0)
            page.cost += self._monotonic() - began
        return page.content_type, page.compressed

    def _is_fresh(self, page: _Page) -> bool:
        age = self._monotonic() - page.made_at
        return age < page.cost / _SHARE or (page.view is self._holder.current and age < _REUSE)


def _format(accept: str) -> str:
    return _OPENMETRICS if "application/openmetrics-text" in accept else ""
