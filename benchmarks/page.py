"""(p) What the page weighs, how long its first view takes, and what looking at it costs the pipeline."""

from __future__ import annotations

import gzip
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.end_to_end import values
from benchmarks.from_memory import pace, prepare
from benchmarks.pace import Pace, rate, ratio
from benchmarks.report import Section, table
from dashboards.page.pages import FEATURE, PAGES
from dashboards.page.site import Site
from monitor.config.root import LogConfig
from monitor.history import History
from monitor.logs import configure
from monitor.past import KnownPast
from monitor.views import View
from tests.browser import scenes

MODELS: Final = 50
COLUMNS: Final = 500
RECORDS: Final = 300_000
ROUNDS: Final = 5
LARGEST: Final = 300_000
SECONDS: Final = 1.0
GOAL: Final = 0.95
_LOOK: Final = """
import sys, time, urllib.request
addresses, tags = sys.argv[1:], {}
while True:
    for one in addresses:
        asked = urllib.request.Request(one, headers={"If-None-Match": tags.get(one, ""), "Accept-Encoding": "gzip"})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                answer.read(); tags[one] = answer.headers["ETag"]
        except urllib.error.HTTPError as error:
            if error.code != 304:
                raise
    time.sleep(1)
"""
"""A browser that looks at every page once a second, five times as often as the page itself does."""


def run() -> Section:
    """Measure weight and time of every page, then the pipeline with and without people who look."""
    configure(LogConfig(level="error"))
    view, past = scenes.crowd(MODELS, COLUMNS, 6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(History(folder / "history.sqlite")) as history:
            history.upsert(past)
            rows = [_weighed(path, view, KnownPast.of(history)) for path in PAGES]
        free, looked = _beside(folder, view, past)
    overview = rows[0]
    small = "met" if overview[1] <= LARGEST and overview[3] <= SECONDS else "not met"
    shown = [[path, f"{size / 1000:,.0f} kB", f"{packed / 1000:,.0f} kB", f"{seconds * 1000:,.0f} ms"]
             for path, size, packed, seconds in rows]  # fmt: skip
    body = (
        f"{MODELS} models of {COLUMNS} columns, of which the first has 2 versions, slices, labels, evidence and a "
        "challenger. The first view of each page, nothing kept; processor time of rendering.\n\n"
        + table(["page", "size", "over the wire", "rendering"], shown)
        + f"\n\nGoal for the overview: {LARGEST // 1000} kB and {SECONDS:.0f} s; {small}.\n\n"
        f"{RECORDS:,} records from memory through the whole pipeline while somebody looks at every one of these pages "
        "once a second, and the View changes as often; against the same with nobody looking, in turn. *Whole process* "
        "is processor time of all its threads: what serving takes counts as if the pipeline had lost it. *Free of "
        "others* is wall time without the time in which every core was taken. A busy machine stretches a run, so that "
        "more pages fall into it: the ratio of the whole process then looks worse than it is. What the other threads "
        "take of one core while somebody looks depends less on that: a page costs what it costs, and is looked at by "
        f"the clock. Medians of {ROUNDS} rounds, ratios pair by pair.\n\n"
        + table(["records a second of", "nobody looks", f"{len(PAGES)} pages a second", "ratio", "goal"],
                _paces(free, looked))
    )  # fmt: skip
    return Section("p", "The page", body)


def _paces(free: Sequence[Pace], looked: Sequence[Pace]) -> list[list[str]]:
    clocks: dict[str, Callable[[Pace], float]] = {
        "processor time, whole process": lambda one: one.every,
        "wall time, free of others": lambda one: one.undisturbed,
        "processor time, the pipeline's thread": lambda one: one.own,
    }
    rows = []
    for name, seconds in clocks.items():
        found = ratio(free, looked, seconds)
        goal = f"{GOAL}, {'met' if found >= GOAL else 'not met'}" if name.endswith("whole process") else ""
        rows.append([name, f"{rate(free, seconds):,.0f}", f"{rate(looked, seconds):,.0f}", f"{found:.3f}", goal])
    quiet, busy = (statistics.median((one.every - one.own) / one.wall for one in paces) for paces in (free, looked))
    rows.append(["other threads, of one core", f"{quiet:.1%}", f"{busy:.1%}", f"+{busy - quiet:.1%}", ""])
    return rows


def _weighed(path: str, view: View, past: KnownPast) -> tuple[str, int, int, float]:
    """Return path, bytes, bytes compressed and processor seconds of a first view."""
    query = [("model", "model-00")] if PAGES[path].of_model else []
    query += [("column", "feature_000")] if path == FEATURE else []
    began = time.process_time()
    answer = Site(lambda: view, past).answer(path, query)
    seconds = time.process_time() - began
    if answer.status != 200:
        message = f"{path}: {answer.status}"
        raise RuntimeError(message)
    return path, len(answer.body), len(gzip.compress(answer.body, 4)), seconds


def _beside(folder: Path, view: View, past: Sequence[Any]) -> tuple[list[Pace], list[Pace]]:
    """Return what records take with nobody looking and with somebody, round by round, the order turned each round."""
    records = list(values(RECORDS))
    free: list[Pace] = []
    looked: list[Pace] = []
    with scenes.Stage(folder, view, past) as stage:
        _measure(folder / "first", records)  # what only a first run takes is nobody's fault
        for turn in range(ROUNDS):
            if turn % 2 == 0:
                free.append(_measure(folder / f"free-{turn}", records))
            with _looking(stage):
                looked.append(_measure(folder / f"looked-{turn}", records))
            if turn % 2:
                free.append(_measure(folder / f"free-{turn}", records))
    return free, looked


@contextmanager
def _looking(stage: scenes.Stage) -> Iterator[None]:
    """Look at every page of a service from another process, while its View changes once a second."""
    done = threading.Event()

    def change() -> None:
        while not done.wait(1.0):
            shown = stage.holder.current
            if shown is not None:
                stage.holder.swap(replace(shown, taken_at=shown.taken_at + 1_000_000))

    addresses = [
        f"{stage.address}{path}"
        + ("?model=model-00" if page.of_model else "")
        + ("&column=feature_000" if path == FEATURE else "")
        for path, page in PAGES.items()
    ]
    changing = threading.Thread(target=change)
    changing.start()
    browser = subprocess.Popen([sys.executable, "-c", _LOOK, *addresses])
    try:
        time.sleep(2)
        yield
    finally:
        browser.kill()
        browser.wait()
        done.set()
        changing.join()


def _measure(folder: Path, records: Sequence[bytes]) -> Pace:
    return pace(prepare(folder, records), folder, records)
