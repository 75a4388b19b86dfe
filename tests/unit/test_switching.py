"""References that switch while the service runs: when, to what, over restarts, back, and against the configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from alerts.receivers.times import rfc3339
from detectors.bins import CategoricalBins
from monitor.config.load import load
from monitor.config.root import Config
from monitor.events import DAY, HOUR
from monitor.evidence.orders import Orders
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference import Reference
from monitor.sources.memory import MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.evidence_service import BEGIN, configured, logs, rows

PER_HOUR = 45
DAYS = 4
STEP = 3 * PER_HOUR
SHIFTS = BEGIN + 12 * HOUR
FIRST, LAST = BEGIN + DAY, BEGIN + 3 * DAY


def shifted(value: dict[str, object], time: int) -> None:
    """Have scores be another model's from the first noon on."""
    if time >= SHIFTS:
        value["s"] = float(str(value["s"])) ** 3


RECORDS = rows(BEGIN, BEGIN + DAYS * DAY, PER_HOUR, 1, shifted)


@dataclass
class Service:
    """A pipeline over one log that is handed out a few hours at a time."""

    config: Config
    folder: Path
    store: MemoryStore
    source: MemorySource
    pipeline: Pipeline

    @classmethod
    def of(cls, folder: Path) -> Service:
        configured(folder, per_hour=PER_HOUR)
        path = folder / "driftline.yaml"
        path.write_text(path.read_text().replace("restate_for: 2h}", "restate_for: 2h, min_samples: 30}"))
        config = load(path, {})
        store, source = MemoryStore(), MemorySource()
        for number in range(2):
            source.append(TopicPartition("p", number))
        return cls(config, folder, store, source, open_pipeline(config, source, base=folder, store=store))

    @property
    def orders(self) -> Orders:
        return Orders(Path(self.config.state.path))

    def switch(self, first: int = FIRST, last: int = LAST) -> int:
        """Order a switch to the rows between two times."""
        return self.orders.add(
            at=BEGIN, who="ana", model="m", column=rfc3339(first), until=last, because="version 2", kind="switch"
        )

    def back(self, number: int) -> None:
        """Order one to be undone."""
        self.orders.add(
            at=BEGIN, who="ana", model="m", column=str(number), until=0, because="rolled back", kind="switch_back"
        )

    def read(self, until: int, restart_every: int = 0) -> None:
        """Read on until an event time, three hours between two checkpoints."""
        done = sum(self.pipeline.positions().values())
        waiting = [record for record in RECORDS[done:] if record[0] < until]
        for turn in range(0, len(waiting), STEP):
            for number, log in logs(waiting[turn : turn + STEP], 2, seed=turn).items():
                self.source.append(TopicPartition("p", number), *log)
            while self.pipeline.step(0):
                pass
            self.pipeline.checkpoint()
            if restart_every and turn // STEP % restart_every == 0:
                self.restart()

    def restart(self, config: Config | None = None) -> None:
        """Lose what is in memory, and start again."""
        self.pipeline.assembly.history.close()
        self.pipeline = open_pipeline(config or self.config, self.source, base=self.folder, store=self.store)

    @property
    def reference(self) -> Reference:
        found = self.pipeline.assembly.models["m"].reference
        assert found is not None
        return found

    def windows(self) -> list[tuple[int, str, str]]:
        """Return what the hourly windows say of the score: start, status, statistic."""
        found = self.pipeline.assembly.history.results(None, None)
        return sorted(
            (one.start, finding.status, f"{finding.statistic:.12g}")
            for one in found
            if one.window == "hourly"
            for finding in one.findings
            if finding.detector == "psi"
        )

    def bad(self, first: int, last: int) -> float:
        """Return in which share of the windows between two times the score drifts."""
        chosen = [status for start, status, _ in self.windows() if first <= start < last]
        return sum(status == "drift" for status in chosen) / len(chosen)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service.of(tmp_path)


def test_it_switches_once_all_rows_are_there_and_not_before(service: Service) -> None:
    before = service.reference.checksum
    service.read(FIRST)
    service.switch()
    service.read(LAST - HOUR)
    assert service.reference.checksum == before
    service.read(BEGIN + DAYS * DAY)
    column = service.reference.columns["c"]
    assert isinstance(column.bins, CategoricalBins)
    chosen = [json.loads(value)["f"]["c"] for time, value in RECORDS if FIRST <= time < LAST]
    found = dict(zip(column.bins.categories, column.counts.tolist(), strict=False))
    assert found == {name: chosen.count(name) for name in column.bins.categories}
    assert int(column.counts.sum()) == len(chosen)
    assert service.reference.rows == sum(FIRST <= time < LAST for time, _ in RECORDS)
    assert service.bad(SHIFTS + 2 * HOUR, LAST) > 0.9
    assert service.bad(LAST + HOUR, BEGIN + DAYS * DAY - HOUR) < 0.05
    alarms = [
        one.start
        for one in service.pipeline.assembly.history.results(None, None)
        if one.window == "evidence"
        for finding in one.findings
        if finding.status == "drift" and finding.column.partition(".")[0] in {"score", "flagged"}
    ]
    assert alarms
    assert max(alarms) < LAST, "evidence of what changed starts afresh"


def test_restarts_change_nothing(tmp_path: Path) -> None:
    plain, restarted = (Service.of(tmp_path / name) for name in ("plain", "restarted"))
    for service, pause in ((plain, 0), (restarted, 2)):
        service.switch()
        service.read(BEGIN + DAYS * DAY, pause)
    assert plain.windows() == restarted.windows()
    assert plain.reference == restarted.reference


def test_it_goes_back_by_the_number_of_its_order(service: Service) -> None:
    before = service.reference.checksum
    number = service.switch()
    service.read(LAST + 6 * HOUR)
    switched = service.reference.checksum
    assert switched != before
    service.back(number + 7)
    service.read(LAST + 8 * HOUR)
    assert service.reference.checksum == switched, "another order's switch is not undone"
    service.back(number)
    service.read(LAST + 10 * HOUR, 1)
    assert service.reference.checksum == before
    service.read(BEGIN + DAYS * DAY)
    assert service.bad(LAST + 10 * HOUR, BEGIN + DAYS * DAY - HOUR) > 0.9


def test_what_is_not_due_is_taken_back_and_too_few_rows_are_no_reference(service: Service) -> None:
    before = service.reference.checksum
    number = service.switch()
    service.switch(FIRST, FIRST + 3 * HOUR)
    service.read(FIRST, 7)
    service.back(number)
    service.read(BEGIN + DAYS * DAY)
    assert service.reference.checksum == before


def test_a_new_reference_in_the_configuration_ends_it(service: Service) -> None:
    service.switch()
    service.read(LAST + 6 * HOUR)
    switched = service.reference.checksum
    service.restart()
    assert service.reference.checksum == switched
    configured(service.folder, per_hour=PER_HOUR, seed=5)
    service.restart(load(service.folder / "driftline.yaml", {}))
    assert service.reference.checksum == Reference.load(service.folder / "reference.json").checksum
    assert any("since that changed" in change for change in service.pipeline.assembly.models["m"].changes)
