"""The page as the service answers for it: what was rendered is kept, and rendering gets a small share of the time."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from dashboards.html import tag
from dashboards.page import assets, frame
from dashboards.page.ask import Ask, BadQueryError
from dashboards.page.links import PageLinks
from dashboards.page.pages import PAGES
from dashboards.page.parts import nothing
from dashboards.page.past import NoPast, Past
from dashboards.page.scene import NotThereError, Scene
from dashboards.report import Report
from monitor.views import View

API: Final = "/api/v1/"
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No script or style but the service's own, nothing from elsewhere, in nobody's frame."""
_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
REPORTS: Final = {"html": _HTML, "json": _JSON, "md": "text/markdown; charset=utf-8"}
"""Format of a report → its content type."""
_SHARE: Final = 0.05
"""At most this share of the time goes into rendering what somebody has seen in another state before."""
_BURST: Final = 10.0
"""Seconds ahead of that share that rendering may be: half a second of work at once."""
_REUSE: Final = 1.0
"""Seconds for which an answer is good though the View is another."""
_KEPT: Final = 256
_KEPT_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the browser."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Kept:
    view: View
    past: Past
    said: int
    made_at: float
    answer: Answer
    compressed: bytes | None = None

    @property
    def size(self) -> int:
        return len(self.answer.body) + len(self.compressed or b"")


@dataclass(slots=True)
class Site:
    """Answers for pages, their data and their files.

    ``answer`` may take some hundred milliseconds and must be called by one thread at a time, not the pipeline's.

    Parameters
    ----------
    view
        Returns the newest View, ``None`` before the first.
    """

    view: Callable[[], View | None]
    past: Past = field(default_factory=NoPast)
    """Set by the service once the state is open."""
    monotonic: Callable[[], float] = time.monotonic
    _kept: OrderedDict[tuple[str, tuple[tuple[str, str], ...]], _Kept] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _paid_until: float = float("-inf")

    @staticmethod
    def paths() -> list[str]:
        """Return every path that ``answer`` knows, but for the files."""
        reports = [f"/report.{kind}" for kind in REPORTS]
        return [*PAGES, *(f"{API}{page.name}" for page in PAGES.values()), *reports]

    def file(self, path: str) -> Answer | None:
        """Return a style sheet, script or icon; ``None`` when there is none. Quick, may be called by any thread."""
        found = assets.by_address().get(path)
        if found is None:
            return None
        kept = "public, max-age=31536000, immutable"
        return Answer(200, found[1], {**SECURITY, "Content-Type": found[0], "Cache-Control": kept})

    def answer(self, path: str, query: Sequence[tuple[str, str]], *, etag: str = "", compress: bool = False) -> Answer:
        """Return a page or its data.

        Parameters
        ----------
        path, query
            What is asked for.
        etag
            What the browser has already; when it still holds, the answer is a short 304.
        compress
            Whether the browser takes gzip.
        """
        view = self.view()
        if view is None:
            return _waiting(api=path.startswith(API))
        key = (path, tuple(query))
        kept, said = self._kept.get(key), self.past.said()
        if kept is None or kept.said != said or not self._is_fresh(kept, view):
            kept = self._render(key, view, said)
        self._kept.move_to_end(key)
        answer = kept.answer
        if answer.status == 200 and answer.headers["ETag"] in etag:
            return Answer(304, b"", {name: value for name, value in answer.headers.items() if name != "Content-Type"})
        if not compress or len(answer.body) < 1000:
            return answer
        if kept.compressed is None:
            kept.compressed = gzip.compress(answer.body, compresslevel=4, mtime=0)
            self._bytes += len(kept.compressed)
        return Answer(answer.status, kept.compressed, {**answer.headers, "Content-Encoding": "gzip"})

    def _is_fresh(self, kept: _Kept, view: View) -> bool:
        if kept.past is not self.past:
            return False
        now = self.monotonic()
        return kept.view is view or now - kept.made_at < _REUSE or self._paid_until - now > _BURST

    def _render(self, key: tuple[str, tuple[tuple[str, str], ...]], view: View, said: int) -> _Kept:
        began = self.monotonic()
        answer = render(key[0], key[1], view, self.past)
        ended = self.monotonic()
        self._paid_until = max(self._paid_until, began) + (ended - began) / _SHARE
        old = self._kept.pop(key, None)
        self._bytes -= 0 if old is None else old.size
        kept = self._kept[key] = _Kept(view, self.past, said, ended, answer)
        self._bytes += kept.size
        while len(self._kept) > 1 and (len(self._kept) > _KEPT or self._bytes > _KEPT_BYTES):
            self._bytes -= self._kept.popitem(last=False)[1].size
        return kept


def render(path: str, query: Sequence[tuple[str, str]], view: View, past: Past) -> Answer:
    """Return a page or, under ``/api/v1/``, its data; 404 for what is not there and 400 for a query without sense."""
    api = path.startswith(API)
    if path.startswith("/report."):
        return _report(path.rsplit(".", 1)[1], query, view, past)
    pages = {page.name: to for to, page in PAGES.items()}
    to = pages.get(path.removeprefix(API), "") if api else path
    page = PAGES.get(to)
    if page is None:
        return _problem(404, f"there is no page {path[:80]!r}", api=api)
    try:
        ask = Ask.of(query)
        scene = Scene(view, past, ask, PageLinks(to, ask))
        body = msgspec.json.encode(page.read(scene)) if api else page.show(scene, to)
    except BadQueryError as error:
        return _problem(400, str(error), api=api)
    except NotThereError as error:
        return _problem(404, str(error), api=api)
    mark = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {"Content-Type": _JSON if api else _HTML, "ETag": f'"{mark}"', "Cache-Control": "no-cache",
               "Vary": "Accept-Encoding"}  # fmt: skip
    return Answer(200, body, SECURITY | headers)


def _report(kind: str, query: Sequence[tuple[str, str]], view: View, past: Past) -> Answer:
    """Return everything as one file; the header ``driftline-worst`` says the worst status in it."""
    try:
        first, last = Ask.of(query).range(None)
    except BadQueryError as error:
        return _problem(400, str(error), api=True)
    report = Report(view, past, first, last)
    body = report.html() if kind == "html" else report.json() if kind == "json" else report.markdown().encode()
    mark = hashlib.blake2b(body, digest_size=12).hexdigest()
    return Answer(200, body, {
        **SECURITY, "Content-Type": REPORTS[kind], "ETag": f'"{mark}"', "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding", "Driftline-Worst": report.worst(),
        "Content-Disposition": f'attachment; filename="driftline-report.{kind}"',
    })  # fmt: skip


def _problem(status: int, problem: str, *, api: bool) -> Answer:
    if api:
        return _plain(status, msgspec.json.encode({"error": problem}), _JSON)
    return problem_page(status, problem, "Not found" if status == 404 else "This address makes no sense")


def problem_page(status: int, problem: str, title: str) -> Answer:
    """Return a page that says what went wrong."""
    sentence = f"{problem[:1].upper()}{problem[1:]}."
    way = tag("p", tag("a", "All models", href="/"), " · ", tag("a", "Alerts", href="/alerts"))
    return _plain(
        status, frame.document(title, frame.place(title), [nothing(sentence), way], path="", live=False), _HTML
    )


def _waiting(*, api: bool) -> Answer:
    if api:
        return _plain(503, msgspec.json.encode({"error": "the service has not read anything yet"}), _JSON)
    words = "Driftline is opening its state and looking for its inputs. This page goes on by itself."
    body = tag("p", words, class_="empty waiting")
    return _plain(503, frame.document("Starting", frame.place("Starting …"), body, path="/"), _HTML)


def _plain(status: int, body: bytes, kind: str) -> Answer:
    return Answer(status, body, {**SECURITY, "Content-Type": kind, "Cache-Control": "no-store"})
