"""How many pages a week a replay says this configuration would have sent."""

from __future__ import annotations

from monitor.commands.burden import Burden
from monitor.config.root import AlarmsConfig
from monitor.events import DAY, HOUR
from monitor.findings import Finding, WindowResult

NAN = float("nan")


def window(start: int, *alarmed: str, name: str = "evidence", slice_: str = "", model: str = "m") -> WindowResult:
    findings = tuple(Finding("a", one, 9.0, NAN, NAN, NAN, NAN, 7.0, "drift", 0, "") for one in alarmed)
    return WindowResult(model, "1", slice_, name, start, start + HOUR, 0, 10, findings)


def test_alarms_of_one_window_are_one_call() -> None:
    quiet = [window(number * HOUR) for number in range(14 * 24)]
    loud = [
        window(5 * HOUR, "evidence", "evidence_page", "evidence"),
        window(5 * HOUR, "evidence_page", slice_="country=de"),
        window(9 * HOUR, "evidence"),
        window(5 * HOUR, "evidence_page", name="evidence:outcomes"),
        window(7 * HOUR, "psi", name="hourly"),
    ]
    burden = Burden.of([*quiet, *loud])
    assert list(burden.lines(AlarmsConfig())) == [
        "pages: 2 in 14.0 days of evidence, 1 a week; chance alone may cause one in 365d",
        "warnings: 2 in 14.0 days of evidence, 1 a week; chance alone may cause one in 1w",
    ]


def test_a_day_is_not_made_a_week() -> None:
    burden = Burden.of([window(0, "evidence_page"), window(DAY - HOUR)])
    assert next(burden.lines(AlarmsConfig())).startswith("pages: 1 in 1.0 days of evidence; ")


def test_models_share_the_time_and_add_their_calls() -> None:
    days = [window(number * DAY, model=model) for number in range(21) for model in "mn"]
    burden = Burden.of([*days, window(DAY, "evidence_page", model="m"), window(DAY, "evidence_page", model="n")])
    assert next(burden.lines(AlarmsConfig())).startswith("pages: 2 in 20.0 days of evidence, 0.7 a week")


def test_without_evidence_nothing_is_said() -> None:
    assert list(Burden.of([window(0, "psi", name="hourly")]).lines(AlarmsConfig())) == []
