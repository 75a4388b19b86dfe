"""Alerts in the service: from windows to messages, and the same whatever crashes in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from alerts.notification import AlertGroup
from monitor.alerting.facts import Facts
from monitor.alerting.queue import SignalQueue
from monitor.config.load import load
from monitor.config.root import Config
from monitor.events import HOUR
from monitor.sources.memory import CRASH, PAUSE, Content, Item, SimulatedCrashError
from monitor.store.memory import MemoryStore
from tests.alerting_service import Alerting, Clock, source_of
from tests.evidence_service import BEGIN, configured, rows

HOURS = 14
PER_HOUR = 280
LIVE = """
defaults: {alerts: {mode: live}}
alerts:
  receivers:
    - {name: ops, kind: webhook, url: "https://ops.example/hook"}
  route: {group_wait: 30s, group_interval: 1m}
"""


def shifted(value: dict[str, object], time: int) -> None:
    """Bring scores down for four hours."""
    if BEGIN + 5 * HOUR < time < BEGIN + 9 * HOUR:
        value["s"] = float(str(value["s"])) ** 4


RECORDS = [value for _, value in rows(BEGIN, BEGIN + HOURS * HOUR, PER_HOUR, 1, shifted)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a reference and a configuration with alerts."""
    folder = tmp_path_factory.mktemp("alerting")
    configured(folder, per_hour=PER_HOUR)
    path = folder / "driftline.yaml"
    path.write_text(path.read_text() + LIVE)
    return folder


def config_of(base: Path, folder: Path) -> Config:
    """Return the configuration with a state of its own."""
    config = load(base / "driftline.yaml", {})
    return config.model_copy(update={"state": config.state.model_copy(update={"path": str(folder / "state")})})


def content(*, crashes: bool = False) -> dict[int, list[Content]]:
    """Return the stream with a pause every hour, and a crash of the reader before each where it is wanted."""
    log: list[Content] = []
    for number, value in enumerate(RECORDS):
        log.append(Item(value))
        if number % PER_HOUR == PER_HOUR // 2:
            log += [CRASH, PAUSE] if crashes else [PAUSE]
    return {0: log}


class Faults:
    """Crashes at the n-th passage of a point, and keeps the clock at what was written last."""

    def __init__(self, clock: Clock, point: str = "", at: int = 0) -> None:
        self.alerting: Alerting | None = None
        self._clock, self._point, self._left = clock, point, at

    def __call__(self, point: str) -> None:
        if point == "after_write" and self.alerting is not None:
            self._clock.now = BEGIN + HOURS * HOUR + 1000 * sum(self.alerting.pipeline.positions().values())
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                raise SimulatedCrashError(point)


def run(base: Path, folder: Path, log: dict[int, list[Content]], point: str = "", at: int = 0) -> Alerting:
    """Read everything, starting again after each crash."""
    clock = Clock(BEGIN + HOURS * HOUR)
    faults = Faults(clock, point, at)
    alerting = Alerting(config_of(base, folder), base, MemoryStore(), source_of(log), clock, faults)
    faults.alerting = alerting
    quiet = 0
    while quiet < 3:
        quiet = 0 if alerting.left() else quiet + 1
        try:
            alerting.turn(0)
        except SimulatedCrashError:
            alerting.crash()
            alerting.begin()
    return alerting


def remembered(alerting: Alerting) -> list[object]:
    """Return all that the engine keeps of single alerts, hysteresis included, and every transition."""
    with alerting.desk.engine.store.reading() as connection:
        entries = connection.execute("SELECT entry FROM alerts ORDER BY fingerprint").fetchall()
        history = connection.execute("SELECT * FROM history ORDER BY seq").fetchall()
    return [entries, history]


def sent(alerting: Alerting) -> list[AlertGroup]:
    """Return the messages that wait to be sent, the oldest first."""
    with alerting.desk.engine.store.reading() as connection:
        found = connection.execute("SELECT content FROM outbox WHERE content IS NOT NULL ORDER BY seq").fetchall()
    return [msgspec.msgpack.decode(data, type=AlertGroup) for (data,) in found]


def test_a_shifted_score_is_told_once_and_is_over_once(base: Path, tmp_path: Path) -> None:
    clock = Clock(BEGIN + HOURS * HOUR)
    alerting = Alerting(config_of(base, tmp_path), base, MemoryStore(), source_of(content()), clock)
    told: set[tuple[str, str]] = set()
    while alerting.left():
        alerting.turn()
        told |= {(one.labels.get("alertname", ""), one.reason) for one in sent(alerting)}
    alerting.settle()
    drift = [line for line in reversed(alerting.desk.engine.history()) if line.rule == "ScoreDrift/warn"]
    assert [line.state for line in drift] == ["firing", "resolved"]
    assert BEGIN + 6 * HOUR <= drift[0].at <= BEGIN + 9 * HOUR < drift[1].at
    assert drift[0].labels["detector"] == "psi"
    assert ("ScoreDrift", "new") in told
    assert not [one for one in sent(alerting) if one.labels.get("alertname") == "ScoreDrift"], "nobody heard of it"
    view = alerting.desk.view
    assert view.totals["firing"] == sum(line.state == "firing" for line in alerting.desk.engine.history(limit=9999))
    assert any(one.name == "EvidenceAlarm" and one.phase == "firing" for one in view.alerts)
    assert alerting.pipeline.signals is not None
    assert len(alerting.pipeline.signals.queue) == 0
    alerting.crash()


@pytest.fixture(scope="module")
def uncrashed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Return what is remembered of a run without crashes and without facts of the wall clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Facts, "due", lambda *_: False)
        return remembered(run(base, tmp_path_factory.mktemp("uncrashed"), content()))


@pytest.mark.parametrize(
    ("point", "at"),
    [("before_apply", 3), ("before_write", 9), ("after_write", 9), ("after_signals", 10), ("after_publish", 10),
     ("after_evaluate", 9), ("after_commit", 14)],
)  # fmt: skip
def test_after_a_kill_anywhere_all_is_as_without_it(
    base: Path, tmp_path: Path, uncrashed: list[object], point: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "due", lambda *_: False)
    assert remembered(run(base, tmp_path, content(), point, at)) == uncrashed


def test_crashes_of_the_reader_change_nothing(
    base: Path, tmp_path: Path, uncrashed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "due", lambda *_: False)
    assert remembered(run(base, tmp_path, content(crashes=True))) == uncrashed


def not_written(queue: SignalQueue) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Write no signals with the state."""
    del queue
    return {}, []


@pytest.mark.parametrize("broken", [not_written])
def test_that_signals_are_written_with_the_state_is_what_does_it(
    base: Path, tmp_path: Path, uncrashed: list[object], broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "due", lambda *_: False)
    monkeypatch.setattr(SignalQueue, "changes", broken)
    differ = [
        remembered(run(base, tmp_path / str(at), content(), "after_write", at)) != uncrashed for at in range(18, 26)
    ]
    assert any(differ)
