"""Evidence in the whole service: quiet streams keep the budget, drift is found, and nothing enters that must not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from monitor.config.load import load
from monitor.config.root import CalendarConfig
from monitor.events import DAY, HOUR
from monitor.evidence import roster
from monitor.evidence.copy import Copy
from monitor.evidence.orders import Orders
from monitor.evidence.sight import sights
from monitor.evidence.stream import Stream
from monitor.evidence.terms import Asked, Terms, terms_of
from monitor.store.memory import MemoryStore
from tests.evidence_service import BEGIN, CONFIG, alarms, configured, gathered, logs, rows, run, told

TIGHT = "{warn: {false_incidents: 1 per 7d, ignore_below: 0}}"


def exact(stream: Stream, asked: Asked, alpha: float, day_alpha: float) -> Terms:
    """Return terms that take the reference for the truth, and no change for one of no interest."""
    found = terms_of(stream, asked, alpha, day_alpha)
    return replace(found, reference=found.reference * 1e4, tolerance=0.0, ratio=1.0, floor=0.0, days=0, dispersion=1.0)


def incidents(folder: Path) -> tuple[int, float]:
    """Return the incidents of ten quiet days, and how many the budget allows."""
    config = configured(folder, alarms=TIGHT, per_hour=5, days=8)
    pipeline = run(config, folder, logs(rows(BEGIN, BEGIN + 10 * DAY, 100, 11)))
    (meter,) = (one.copies["warn"].meter for one in pipeline.evidence.watches["m"])
    assert meter.windows == 10 * 24
    return meter.incidents, meter.promised


def test_a_quiet_stream_keeps_the_budget(tmp_path: Path) -> None:
    found, promised = incidents(tmp_path)
    assert promised == pytest.approx(10 / 7)
    assert poisson.sf(found - 1, promised) > 1e-3


def test_a_reference_taken_for_the_truth_breaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "terms_of", exact)
    found, promised = incidents(tmp_path)
    assert poisson.sf(found - 1, promised) < 1e-3


def higher(value: dict[str, object], time: int) -> None:
    """Raise one feature by half a standard deviation from the second day on, and let another vanish often."""
    features = value["f"]
    assert isinstance(features, dict)
    if time >= BEGIN + DAY:
        features["b"] += 0.5
        if str(value["id"]).endswith(("3", "6", "9")):
            features["a"] = None


def test_drift_is_found_said_and_dated(tmp_path: Path) -> None:
    pipeline = run(configured(tmp_path, per_hour=60), tmp_path, logs(rows(BEGIN, BEGIN + 2 * DAY, 60, 3, higher)))
    found = alarms(pipeline)
    first = {finding.column: start for start, finding in reversed(found)}
    assert set(first) == {"a.missing", "b"}
    assert BEGIN + DAY <= first["b"] <= BEGIN + DAY + 6 * HOUR
    (b,) = [finding for start, finding in found if finding.column == "b"]
    assert b.explanation.startswith("drift: ")
    assert "since 2026-11-03T0" in b.explanation
    assert b.statistic >= b.threshold > 0
    assert b.direction == 1
    pages = alarms(pipeline, "evidence_page")
    assert {finding.column for _, finding in pages} == {"a.missing"}, "a feature alone pages nobody"
    later = [f for result in told(pipeline) for f in result.findings if f.column == "b" and result.start > first["b"]]
    assert {finding.status for finding in later} == {"warn"}
    known = [finding for finding in later if finding.low == finding.low]
    assert known
    assert any(finding.low <= 0.25 <= finding.high for finding in known), "PSI of half a standard deviation"
    (view,) = [one for one in pipeline.evidence.views("m") if one.severity == "warn"]
    assert sorted(view.drifted) == ["a.missing (version 1)", "b (version 1)"]
    assert view.incidents >= 1
    (watch,) = pipeline.evidence.watches["m"]
    for one in pipeline.evidence.views("m"):
        zones = [s.dead_zone for s in sights(watch) if s.severity == one.severity and s.dead_zone is not None]
        assert one.blind_below == (pytest.approx(np.median(zones)) if zones else None)
    assert view.blind_below is not None


def test_late_rows_never_enter(tmp_path: Path) -> None:
    """Rows that come hours late and look like drift restate what is shown; evidence does not see them."""
    quiet = rows(BEGIN, BEGIN + DAY, 60, 3)
    odd = [(time + 90 * 60_000_000, value) for time, value in rows(BEGIN, BEGIN + DAY, 30, 4, wild)]
    config = configured(tmp_path / "c")
    alone = run(config, tmp_path / "c", logs(quiet))
    held, said = gathered(alone), [replace(result, n=0) for result in told(alone)]
    alone.close()
    (tmp_path / "c" / "state" / "history.sqlite").unlink()
    both = run(config, tmp_path / "c", logs(sorted([*quiet, *odd])))
    late = sum(part.counters["m", "late"] for part in both.partitions.values())
    assert late > 0.8 * len(odd)
    assert repr([replace(result, n=0) for result in told(both)][: len(said) - 2]) == repr(said[: len(said) - 2])
    assert len(gathered(both)) == len(held)
    assert not alarms(both)


def wild(value: dict[str, object], time: int) -> None:
    features = value["f"]
    assert isinstance(features, dict)
    features["b"] = 9.0
    value["s"] = 0.99


def test_a_budget_changes_without_restarting_evidence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, content = MemoryStore(), rows(BEGIN, BEGIN + 2 * DAY, 60, 3)
    half = [record for record in content if record[0] < BEGIN + DAY]
    first = run(configured(tmp_path), tmp_path, logs(half), store=store, finish=False)
    before = first.evidence.watches["m"][0].copies["warn"]
    held = {one.name: group for one, group in zip(before.fleet.monitors, total(before), strict=True)}
    text = CONFIG.format(
        folder=tmp_path, window="1h", alarms="{warn: {false_incidents: 1 per 30d}}", more="",
        reference="{source: reference.json}",
    )  # fmt: skip
    (tmp_path / "driftline.yaml").write_text(text)
    again = run(load(tmp_path / "driftline.yaml", {}), tmp_path, logs(half), store=store, finish=False)
    after = again.evidence.watches["m"][0].copies["warn"]
    assert {one.name: group for one, group in zip(after.fleet.monitors, total(after), strict=True)} == held
    assert not again.assembly.models["m"].changes
    assert after.severity.patience(HOUR, 1.0) == 720


def total(copy: Copy) -> list[float]:
    found = np.zeros(len(copy.streams))
    for group, state in zip(copy.fleet.groups, copy.state.groups, strict=True):
        found[group.places] = state.evidence.total
    return [round(value, 9) for value in found.tolist()]


def test_a_changed_parameter_starts_its_monitors_afresh_and_says_so(tmp_path: Path) -> None:
    store, content = MemoryStore(), logs(rows(BEGIN, BEGIN + DAY, 60, 3))
    run(configured(tmp_path), tmp_path, content, store=store, finish=False)
    text = CONFIG.format(
        folder=tmp_path, window="1h", alarms="{page: {ignore_below: 0.3}}", more="",
        reference="{source: reference.json}",
    )  # fmt: skip
    (tmp_path / "driftline.yaml").write_text(text)
    again = run(load(tmp_path / "driftline.yaml", {}), tmp_path, content, store=store, finish=False)
    (sentence,) = again.assembly.models["m"].changes
    assert "afresh" in sentence
    assert "(page)" in sentence
    copies = again.evidence.watches["m"][0].copies
    assert max(total(copies["page"])) == -np.inf
    assert max(total(copies["warn"])) > -np.inf


def test_a_new_version_is_judged_from_its_first_window_and_restarts_nobody(tmp_path: Path) -> None:
    def canary(value: dict[str, object], time: int) -> None:
        if time >= BEGIN + DAY and str(value["id"]).endswith(("1", "2")):
            value["v"] = "2"
            value["s"] = 0.6 + 0.4 * float(str(value["s"]))

    pipeline = run(configured(tmp_path), tmp_path, logs(rows(BEGIN, BEGIN + 2 * DAY, 100, 3, canary)))
    by_version = {version: [r for r in told(pipeline) if r.version == version] for version in ("1", "2")}
    assert by_version["2"][0].start == BEGIN + DAY
    found = {(result.version, f.column) for result in told(pipeline) for f in result.findings if f.status == "drift"}
    assert ("2", "score") in found
    assert not [one for one in found if one[0] == "1"]
    (one,) = pipeline.evidence.watches["m"]
    weights = one.copies["warn"].weights
    assert weights.sum() == pytest.approx(1)
    alphas = [seat.alpha for seat in one.copies["warn"].roster.seats.values()]
    assert sum(alphas) < 0.05


def test_learning_is_no_evidence(tmp_path: Path) -> None:
    config = configured(tmp_path)
    text = (tmp_path / "driftline.yaml").read_text().replace("{source: reference.json}", "{learn: 2d}")
    (tmp_path / "driftline.yaml").write_text(text)
    config = load(tmp_path / "driftline.yaml", {})
    pipeline = run(config, tmp_path, logs(rows(BEGIN, BEGIN + 4 * DAY, 110, 3), pause_every=600))
    starts = [result.start for result in told(pipeline)]
    reference = pipeline.assembly.models["m"].reference
    assert reference is not None
    assert len(reference.days) == 2
    assert starts[0] == BEGIN + 3 * DAY, "edges take a day, counts two"
    assert len(set(starts)) == 24
    assert not alarms(pipeline)


def test_replay_tells_evidence_as_findings(tmp_path: Path) -> None:
    from monitor.commands.replay import records_of  # noqa: PLC0415

    pipeline = run(configured(tmp_path), tmp_path, logs(rows(BEGIN, BEGIN + 6 * HOUR, 60, 3)))
    records = [json.loads(json.dumps(record)) for record in records_of(told(pipeline))]
    assert {record["detector"] for record in records} == {"evidence", "evidence_page"}
    assert {record["window"] for record in records} == {"evidence"}
    assert all(record["status"] in {"ok", "insufficient"} for record in records)
    assert len({record["window_start"] for record in records}) == 6


def test_what_is_accepted_is_in_order_until_it_is_over(tmp_path: Path) -> None:
    """The order comes while the service runs; a crash after it was heard changes nothing."""
    config, content = configured(tmp_path, per_hour=60), rows(BEGIN, BEGIN + 2 * DAY, 60, 3, higher)
    orders = Orders(tmp_path / "state")
    until = BEGIN + 36 * HOUR
    orders.add(at=1, who="kim", model="m", column="b", until=until, because="a campaign")
    orders.add(at=2, who="kim", model="other", column="a", until=until, because="not this model")
    store = MemoryStore()
    half = [record for record in content if record[0] < BEGIN + 30 * HOUR]
    run(config, tmp_path, logs(half), store=store, finish=False)
    pipeline = run(config, tmp_path, logs(content), store=store)
    (watch,) = pipeline.evidence.watches["m"]
    assert (watch.heard, [order.column for order in watch.orders]) == (2, ["b"])
    found = [(r.start, f) for r in told(pipeline) for f in r.findings if (f.column, f.detector) == ("b", "evidence")]
    during = [finding for start, finding in found if BEGIN + DAY <= start < until]
    assert {finding.status for finding in during} == {"ok"}
    assert any("accepted until 2026-11-03T12:00Z by kim, a campaign: drift: " in one.explanation for one in during)
    assert "warn" in {finding.status for start, finding in found if start >= until}
    assert {finding.column for _, finding in alarms(pipeline)} == {"a.missing"}


def test_worse_is_told_even_where_drift_was_accepted(tmp_path: Path) -> None:
    def twice(value: dict[str, object], time: int) -> None:
        higher(value, time)
        features = value["f"]
        assert isinstance(features, dict)
        if time >= BEGIN + 2 * DAY:
            features["b"] += 1.5

    config = configured(tmp_path, per_hour=60)
    Orders(tmp_path / "state").add(at=1, who="kim", model="m", column="b", until=BEGIN + 9 * DAY, because="known")
    pipeline = run(config, tmp_path, logs(rows(BEGIN, BEGIN + 3 * DAY, 60, 3, twice)))
    (worse,) = [(start, finding) for start, finding in alarms(pipeline) if finding.column == "b"]
    assert worse[0] >= BEGIN + 2 * DAY
    assert worse[1].explanation.startswith("worse: ")


def test_holidays_are_not_judged(tmp_path: Path) -> None:
    config = configured(tmp_path)
    calendar = CalendarConfig(timezone="Europe/Berlin", holidays=["2026-11-03"])
    config = config.model_copy(update={"calendar": calendar})
    pipeline = run(config, tmp_path, logs(rows(BEGIN, BEGIN + 3 * DAY, 10, 3)))
    judged = {result.start for result in told(pipeline)}
    holiday = range(BEGIN + DAY - HOUR, BEGIN + 2 * DAY - HOUR, HOUR)
    assert judged == set(range(BEGIN, BEGIN + 3 * DAY, HOUR)) - set(holiday)
