"""Reports by the calendar: each once, whole, what was missed too; by a hand-wound clock, and once for real."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts.durations import DAY, HOUR, MINUTE
from alerts.store import Store
from monitor.calendar import latest_after, next_after, period_before
from monitor.config.load import load
from monitor.config.problem import ConfigError
from monitor.config.root import ReportConfig
from monitor.reports import Due, ScheduledReports, due_of
from tests.alerting_service import Clock
from tests.prometheus import eventually

CONFIG = """\
version: 1
calendar: {{timezone: Europe/Berlin}}
models: [{{name: m, predictions: {{topic: p, time_format: rfc3339}}}}]
kafka: {{bootstrap_servers: ["unused:9092"]}}
reports:
{reports}
state: {{path: "{folder}/state"}}
"""
MONTHLY = '  - {{schedule: "0 6 1 * *", folder: "{folder}/out", name: model-risk, period: month, format: md, keep: 3}}'


def at(text: str) -> int:
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1e6)


@dataclass
class Office:
    """Reports of a service, with time wound by hand."""

    folder: Path
    reports: str = MONTHLY
    clock: Clock = field(default_factory=lambda: Clock(at("2026-10-15T12:00")))
    fails: bool = False
    seen: bool = True
    written: list[Due] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.folder / "driftline.yaml"
        path.write_text(CONFIG.format(folder=self.folder, reports=self.reports.format(folder=self.folder)))
        self.config = load(path, {})
        self.begin()

    def begin(self) -> None:
        """Start the service, or start it again."""
        self.store = Store(self.folder / "alerts.sqlite")
        self.scheduled = ScheduledReports(self.config, self.store, self.write, self.clock)

    def write(self, due: Due, path: Path) -> bool:
        path.write_text("half")
        if self.fails:
            raise OSError("disk full")
        if not self.seen:
            return False
        path.write_text(f"{due.first} {due.last}")
        self.written.append(due)
        return True

    def turn(self, moment: str) -> list[str]:
        """Look at a time; return the names of what was written."""
        self.clock.now = at(moment)
        return [path.name for path in self.scheduled.turn()]

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "out").iterdir() if path.suffix != ".part")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    assert made.turn("2026-10-15T12:00") == [], "a schedule begins with the first look"
    yield made
    made.store.close()


def test_a_month_is_reported_once_it_is_over(office: Office) -> None:
    assert office.turn("2026-11-01T04:59") == [], "six o'clock in Berlin is five in UTC"
    assert office.turn("2026-11-01T05:00") == ["model-risk-2026-10.md"]
    assert office.turn("2026-11-01T05:01") == []
    (due,) = office.written
    assert (due.first, due.last) == (at("2026-09-30T22:00"), at("2026-10-31T23:00")), "summer time ended in between"
    assert office.turn("2026-12-01T06:00") == ["model-risk-2026-11.md"]


def test_what_was_missed_is_written_once_the_latest(office: Office) -> None:
    office.store.close()
    office.clock.now = at("2027-02-10T09:00")
    office.begin()
    assert office.turn("2027-02-10T09:00") == ["model-risk-2027-01.md"]
    office.store.close()
    office.begin()
    assert office.turn("2027-02-10T09:05") == []
    assert len(office.written) == 1


@pytest.mark.parametrize("how", ["fails", "there is nothing to report from"])
def test_what_could_not_be_written_is_due_again(office: Office, how: str) -> None:
    office.fails, office.seen = how == "fails", how == "fails"
    assert office.turn("2026-11-01T05:00") == []
    assert office.files() == [], "half a report is none"
    office.fails, office.seen = False, True
    assert office.turn("2026-11-01T05:05") == ["model-risk-2026-10.md"]


def test_a_crash_between_the_file_and_its_mark_writes_the_same_file_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ScheduledReports, "_note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            office.turn("2026-11-01T05:00")
    office.store.close()
    office.begin()
    assert office.turn("2026-11-01T05:02") == ["model-risk-2026-10.md"]
    assert office.files() == ["model-risk-2026-10.md"]
    assert office.written[0] == office.written[1]


def test_the_oldest_go_and_what_is_not_theirs_stays(office: Office) -> None:
    folder = office.folder / "out"
    folder.mkdir()
    for name in ("model-risk-2025-12.html", "model-risk-notes.md", "other-2026-01.md", "xmodel-risk-2026-01.md"):
        (folder / name).write_text("mine")
    months = ["2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01", "2027-03-01"]
    for month in months:
        office.turn(f"{month}T06:00")
    assert [name for name in office.files() if (folder / name).read_text() != "mine"] == [
        "model-risk-2026-12.md", "model-risk-2027-01.md", "model-risk-2027-02.md",
    ]  # fmt: skip
    assert len(office.files()) == 7


def test_reports_do_not_disturb_each_other(tmp_path: Path) -> None:
    weekly = '  - {{schedule: "0 8 * * mon", folder: "{folder}/out", covers: 7d}}'
    office = Office(tmp_path, f"{MONTHLY}\n{weekly}")
    office.turn("2026-10-15T12:00")
    assert office.turn("2026-11-01T06:00") == ["model-risk-2026-10.md", "driftline-2026-10-26T0700Z.html"]
    assert office.turn("2026-11-02T07:00") == ["driftline-2026-11-02T0700Z.html"]
    assert office.written[-1].last - office.written[-1].first == 7 * DAY
    office.store.close()


@pytest.mark.parametrize(
    ("period", "moment", "first", "last", "name"),
    [
        ("month", "2027-01-01T05:00", "2026-11-30T23:00", "2026-12-31T23:00", "driftline-2026-12.html"),
        ("month", "2028-03-31T12:00", "2028-01-31T23:00", "2028-02-29T23:00", "driftline-2028-02.html"),
        ("week", "2027-01-06T12:00", "2026-12-27T23:00", "2027-01-03T23:00", "driftline-2026-W53.html"),
        ("day", "2026-03-30T12:00", "2026-03-28T23:00", "2026-03-29T22:00", "driftline-2026-03-29.html"),
    ],
)
def test_whole_periods_of_the_calendar(period: str, moment: str, first: str, last: str, name: str) -> None:
    report = report_of(period)
    due = due_of(report, "Europe/Berlin", at(moment))
    assert (due.first, due.last, due.path.name) == (at(first), at(last), name)
    assert period_before(report.period or "day", "Europe/Berlin", at(moment)) == (due.first, due.last)


def report_of(period: str) -> ReportConfig:
    return ReportConfig.model_validate({"schedule": "0 6 * * *", "folder": "out", "period": period})


@pytest.mark.parametrize("schedule", ["* * * * *", "17 */5 * * *", "0 6 1 * *", "0 0 29 2 *"])
def test_the_latest_time_is_that_of_going_step_by_step(schedule: str) -> None:
    now = at("2026-11-22T01:30")
    for back in (MINUTE // 2, HOUR, 3 * DAY, 40 * DAY):
        step, expected = next_after(schedule, "Europe/Berlin", now - back), None
        if schedule == "* * * * *" and back > HOUR:
            continue  # by foot that takes a minute
        while step is not None and step <= now:
            expected, step = step, next_after(schedule, "Europe/Berlin", step)
        assert latest_after(schedule, "Europe/Berlin", now - back, now) == expected
    assert latest_after("* * * * *", "UTC", 0, now) == now


def test_two_reports_of_the_same_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reports\[1\].name: another report has such files"):
        Office(tmp_path, f"{MONTHLY}\n{MONTHLY}")
    with pytest.raises(ConfigError, match=r"reports\[0\].name"):
        Office(tmp_path, MONTHLY.replace("model-risk", "../../etc/passwd"))


SERVICE = """\
version: 1
models:
  - name: fraud
    owner: payments
    predictions: {{file: "{folder}/rows.jsonl", time_format: rfc3339, map: {{id: value.id, time: value.t,
      score: value.s}}}}
    windows: {{fast: {{size: 1m, lateness: 1s}}}}
reports: [{{schedule: "0 6 1 * *", folder: "{folder}/out", name: model-risk, period: month, format: html}}]
http: {{listen: "127.0.0.1:0"}}
state: {{path: "{folder}/state"}}
"""


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def running(config: Path) -> Iterator[None]:
    """Have the service run in a process of its own."""
    command = [str(Path(sys.executable).with_name("driftline")), "run", "--config", str(config)]
    with subprocess.Popen(command, cwd=config.parent) as service:
        try:
            yield
        finally:
            service.terminate()


def test_a_service_that_starts_again_writes_the_report_it_missed(tmp_path: Path) -> None:
    config = tmp_path / "driftline.yaml"
    config.write_text(SERVICE.format(folder=tmp_path))
    begin = time.time()
    rows = [{"id": str(n), "s": n % 10 / 10, "t": stamp(begin - 600 + n)} for n in range(600)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = Store(tmp_path / "state" / "alerts.sqlite")
    ScheduledReports(load(config, {}), store, lambda *_: False, lambda: round(begin * 1e6) - 40 * DAY).turn()
    store.close()
    with running(config):
        path = eventually("the report", lambda: next((tmp_path / "out").glob("*.html"), None), 60)
    last_month = period_before("month", "UTC", round(begin * 1e6))[0]
    assert path.name == f"model-risk-{datetime.fromtimestamp(last_month / 1e6, UTC):%Y-%m}.html"
    text = path.read_text()
    assert text.endswith("</html>\n")
    assert "What the time held" in text
    assert "payments" in text
    assert list((tmp_path / "out").iterdir()) == [path]
