"""Windows that close: every one that holds rows is evaluated, however long the gap."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.events import DAY, HOUR, MINUTE
from monitor.opening import open_pipeline
from monitor.sources.memory import Item
from monitor.store.memory import MemoryStore
from tests.crash.ground import prepare
from tests.crash.runs import drain, memory, outcome_of
from tests.crash.stream import BEGIN, value


def test_a_long_gap_hides_no_window_with_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.closing._MOST_EMPTY", 20)
    path = prepare(tmp_path, "p", "unused:9092")
    rng = random.Random(1)
    days = [BEGIN + day * DAY for day in range(6)]
    times = [day + n * MINUTE for day in days for n in range(40)]
    log = [Item(value(rng, str(n), time)) for n, time in enumerate(times)]
    pipeline = open_pipeline(load(path, {}), memory({"p": {0: log}}), base=tmp_path, store=MemoryStore())
    drain(pipeline)
    windows = outcome_of(pipeline).windows
    pipeline.close()
    for window, size, slide in (("fast", 15 * MINUTE, 15 * MINUTE), ("daily", DAY, 4 * HOUR)):
        found = {key[4]: 0 for key in windows if key[3] == window and not key[2]}
        for key, (rows, _, _) in windows.items():
            if key[3] == window and not key[2]:
                found[key[4]] += rows
        least = times[-1] - (MINUTE if window == "fast" else 30 * MINUTE)
        counted = {start: sum(start <= time < start + size for time in times) for start in found}
        assert found == counted
        first = (BEGIN - size) // slide * slide + slide
        starts = range(first, (least - size) // slide * slide + slide, slide)
        expected = {start for start in starts if any(start <= time < start + size for time in times)}
        assert {start for start, rows in found.items() if rows} == expected
        assert (len(found) < len(starts)) == (window == "fast"), "empty windows of the gap are left out"


def test_much_evaluation_shows_life_and_goes_on_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a process that is taken for dead would begin anew for ever."""
    monkeypatch.setattr("monitor.pipeline._WINDOWS_AT_ONCE", 10)
    path = prepare(tmp_path, "p", "unused:9092")
    rng = random.Random(1)
    log = [Item(value(rng, str(n), BEGIN + n * 2 * MINUTE)) for n in range(300)]
    store, beats, most = MemoryStore(), 0, 0

    def pulse() -> None:
        nonlocal beats
        beats += 1
        if beats == most:
            raise KeyboardInterrupt

    most = 4
    pipeline = open_pipeline(load(path, {}), memory({"p": {0: log}}), base=tmp_path, pulse=pulse, store=store)
    pipeline.step(0)
    with pytest.raises(KeyboardInterrupt):
        pipeline.checkpoint()
    left = len(pipeline.closings["m"].due)
    pipeline.assembly.history.close()
    beats, most = 0, 1
    with pytest.raises(KeyboardInterrupt):
        open_pipeline(load(path, {}), memory({"p": {0: log}}), base=tmp_path, pulse=pulse, store=store)
    beats, most = 0, 10_000
    pipeline = open_pipeline(load(path, {}), memory({"p": {0: log}}), base=tmp_path, pulse=pulse, store=store)
    assert beats == -(-(left + 10) // 10), "all but what was noted: each time, the last ten were not yet"
    drain(pipeline)
    windows = outcome_of(pipeline).windows
    pipeline.close()
    (tmp_path / "whole").mkdir()
    path = prepare(tmp_path / "whole", "p", "unused:9092")
    whole = open_pipeline(load(path, {}), memory({"p": {0: log}}), base=tmp_path / "whole", store=MemoryStore())
    drain(whole)
    assert outcome_of(whole).windows == windows
    whole.close()
