"""The parts between the pipeline and the alerts, one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.policy import Route
from alerts.receivers.settings import ReceiversError
from alerts.routing import Router
from alerts.signal import Signal
from monitor.alerting import document
from monitor.alerting.facts import Facts
from monitor.alerting.findings import ModelFacts, kind_of, signals_of
from monitor.alerting.policy import NOBODY, build_notifiers, mode_of, policy_from, route_of
from monitor.alerting.queue import SIGNALS, SignalQueue
from monitor.alerting.teller import Teller
from monitor.config.alert_checks import check_alerts
from monitor.config.alerts import AlertsConfig
from monitor.config.model import ModelConfig
from monitor.findings import Finding, WindowResult
from monitor.keys import prefix
from monitor.store.memory import MemoryStore

ROOT = Path(__file__).parents[2]
NAN = math.nan
FACTS = {"m": ModelFacts("payments", {"age": 0.4})}


def finding(column: str = "age", detector: str = "psi", status: str = "ok", **fields: object) -> Finding:
    """Return a finding."""
    plain = Finding(column, detector, 0.3, 0.2, 0.1, 0.3, 0.01, 0.25, status, 1, "why")
    return replace(plain, **fields)  # type: ignore[arg-type]


def window(
    *findings: Finding, start: int = 0, name: str = "hourly", slice_: str = "", revision: int = 0
) -> WindowResult:
    """Return an hour of a model."""
    begin = start * HOUR
    return WindowResult("m", "1", slice_, name, begin, begin + HOUR, revision, 500, findings)


def told(teller: Teller, *results: WindowResult) -> list[tuple[str, str, str, int]]:
    """Return kind, column, status and revision of each signal."""
    return [(one.kind, one.column, one.status, one.revision) for one in teller.tell(results, 7)]


@pytest.mark.parametrize(
    ("name", "column", "detector", "kind"),
    [
        ("hourly", "age", "psi", "drift"), ("hourly", "score", "ks", "score"),
        ("hourly", "flagged", "flagged_rate", "score"),
        ("hourly", "age", "missing_rate", "quality"), ("hourly", "score", "bad_rate", "quality"),
        ("hourly", "error", "error_rate", "quality"), ("hourly", "age", "vanished_column", "quality"),
        ("hourly", "new", "new_column", "quality"), ("hourly", "", "volume", "volume"),
        ("evidence", "age", "evidence", "evidence"), ("evidence", "age", "evidence_page", "evidence"),
        ("concept", "error", "adwin", "concept"), ("day:outcomes", "roc_auc", "performance_change", "performance"),
        ("day:outcomes", "ece", "calibration", "calibration"), ("day:outcomes", "roc_auc", "estimate", "estimate"),
        ("day:outcomes", "sex", "equalised_odds", "fairness"), ("day:outcomes", "labels", "coverage", None),
    ],
)  # fmt: skip
def test_every_finding_has_its_kind(name: str, column: str, detector: str, kind: str | None) -> None:
    assert kind_of(name, finding(column, detector)) == kind


def test_a_drop_of_performance_says_from_what_to_what_on_how_many_labels() -> None:
    result = window(
        finding("roc_auc", "performance_matured", statistic=0.8),
        finding("roc_auc", "performance_change", "drift", statistic=0.1, effect=-0.1),
        finding("labels", "coverage", statistic=0.5),
        name="day:outcomes",
    )
    [_, drop] = signals_of(result, FACTS["m"], 7, 0)
    assert (drop.statistic, round(drop.reference, 9), drop.n, drop.owner) == (0.8, 0.9, 250, "payments")


def test_names_that_cannot_be_stored_are_spelt_out() -> None:
    [signal] = signals_of(window(finding("\ud800"), slice_="a=\udfff"), FACTS["m"], 7, 0)
    assert (signal.column, signal.slice) == ("\\ud800", "a=\\udfff")
    msgspec.msgpack.encode(signal)


def test_only_what_was_told_before_is_restated() -> None:
    teller = Teller(FACTS)
    first = window(finding(status="drift"), start=5, revision=40)
    assert told(teller, first) == [("drift", "age", "drift", 0)], "rows of the first judgement are no restatement"
    assert told(teller, replace(first, revision=41)) == [("drift", "age", "drift", 41)]
    assert told(teller, window(finding(), start=3)) == [("drift", "age", "ok", 1)]
    assert told(teller, window(finding(), start=6, revision=3)) == [("drift", "age", "ok", 0)]


def test_a_column_that_came_back_is_in_order() -> None:
    teller = Teller(FACTS)
    gone = finding(detector="vanished_column", status="drift")
    assert told(teller, window(finding(), gone))[-1] == ("quality", "age", "drift", 0)
    for hour in (1, 2, 3):
        assert told(teller, window(finding(), start=hour))[-1] == ("quality", "age", "ok", 0)
    assert len(told(teller, window(finding(), start=4))) == 1


def test_what_is_no_longer_said_of_a_window_is_withdrawn() -> None:
    teller = Teller(FACTS)
    sliced = window(finding(status="drift"), slice_="shop=1")
    told(teller, sliced)
    assert told(teller, replace(sliced, findings=(), revision=2)) == [("drift", "age", "withdrawn", 2)]
    assert told(teller, replace(sliced, findings=(), revision=3)) == []


RESULTS = st.lists(
    st.builds(
        window,
        st.sampled_from([finding(), finding(status="drift"), finding(detector="vanished_column", status="drift")]),
        start=st.integers(0, 4),
        name=st.sampled_from(["hourly", "day:outcomes"]),
        slice_=st.sampled_from(["", "shop=1"]),
        revision=st.integers(0, 3),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(RESULTS, st.integers(0, 12))
def test_what_is_remembered_outlives_a_restart(results: list[WindowResult], at: int) -> None:
    whole, first = Teller(FACTS), Teller(FACTS)
    every = [told(whole, one) for one in results]
    before = [told(first, one) for one in results[:at]]
    second = Teller(FACTS, first.state())
    assert before + [told(second, one) for one in results[at:]] == every


def signals(number: int) -> list[Signal]:
    """Return signals without numbers."""
    return [Signal(number=0, kind="heartbeat", observed_at=place) for place in range(number)]


def written(queue: SignalQueue, store: MemoryStore) -> None:
    """Write what changed."""
    puts, deletes = queue.changes()
    store.write(puts, deletes, sync=True)
    queue.written()


def numbers(found: Sequence[Signal]) -> list[int]:
    """Return the numbers of signals."""
    return [one.number for one in found]


def test_signals_are_numbered_once_and_kept_until_they_are_applied() -> None:
    store = MemoryStore()
    queue = SignalQueue(store)
    queue.add(signals(3))
    assert queue.take() == [], "nothing is handed over before it is written"
    written(queue, store)
    assert numbers(queue.take()) == [1, 2, 3]
    queue.add(signals(2))
    again = SignalQueue(store)
    assert numbers(again.take()) == [1, 2, 3], "after a crash, what was written comes again and the rest never was"
    again.add(signals(2))
    written(again, store)
    assert numbers(again.take()) == [4, 5]
    again.applied(4)
    written(again, store)
    assert numbers(SignalQueue(store).take()) == [4, 5], "a chunk goes as a whole"
    again.applied(5)
    written(again, store)
    assert len(list(store.scan(prefix(SIGNALS)))) == 1
    assert SignalQueue(store).head == again.head


def test_a_queue_that_is_full_counts_what_it_loses_and_keeps_its_numbers_gapless() -> None:
    store = MemoryStore()
    queue = SignalQueue(store, most=4)
    queue.add(signals(6))
    written(queue, store)
    assert (numbers(queue.take()), queue.head.lost) == ([1, 2, 3, 4], 2)
    queue.applied(4)
    queue.add(signals(1))
    written(queue, store)
    assert numbers(queue.take()) == [5]


def test_a_state_that_went_back_begins_another_sequence() -> None:
    store = MemoryStore()
    queue = SignalQueue(store)
    queue.add(signals(3))
    written(queue, store)
    origin = queue.head.origin
    same = SignalQueue(store, origin, 3)
    assert (same.head.origin, len(same)) == (origin, 3)
    back = SignalQueue(store, origin, 9)
    assert back.head.origin != origin
    assert len(back) == 0
    back.add(signals(1))
    written(back, store)
    assert numbers(back.take()) == [10]
    other = SignalQueue(store, "another", 99)
    assert other.head.origin == back.head.origin


def test_a_time_without_the_service_is_no_silence() -> None:
    facts = Facts.of(FACTS, None, 0)

    pipeline: Any = SimpleNamespace(heard={("m", "prediction"): 100 * SECOND})
    [seen] = facts._silent(pipeline, "m", FACTS["m"], 160 * SECOND)
    assert seen.statistic == 60
    later = Facts.of(FACTS, facts.state(160 * SECOND), 7 * DAY)
    fresh: Any = SimpleNamespace(heard={})
    [still] = later._silent(fresh, "m", FACTS["m"], 7 * DAY + 5 * SECOND)
    assert (still.kind, still.statistic) == ("last_prediction", 65)


def receiver(name: str, kind: str = "webhook") -> dict[str, object]:
    """Return a receiver's configuration."""
    keys: dict[str, object] = {
        "webhook": {"url": "https://x.example/y"},
        "alertmanager": {"urls": ["https://am.example"]},
    }
    return {"name": name, "kind": kind, **keys[kind]}  # type: ignore[dict-item]


def alerts_of(**fields: object) -> AlertsConfig:
    """Return a section."""
    return AlertsConfig.model_validate(fields)


def test_modes() -> None:
    assert mode_of(alerts_of()) == "shadow"
    assert mode_of(alerts_of(receivers=[receiver("a")])) == "builtin"
    assert route_of(alerts_of()).receiver == NOBODY
    assert list(build_notifiers(alerts_of(), Path(), None)) == [NOBODY]
    quiet = alerts_of(mode="prometheus_only", receivers=[receiver("a")])
    assert list(build_notifiers(quiet, Path(), None)) == [NOBODY]
    assert policy_from(quiet, []).shadow.trial == 0
    pushed = alerts_of(mode="alertmanager", receivers=[receiver("a"), receiver("am", "alertmanager")])
    assert route_of(pushed).receiver == "am"
    assert "Watchdog" in {rule.name for rule in policy_from(pushed, []).rules}
    assert "Watchdog" not in {rule.name for rule in policy_from(alerts_of(), []).rules}


def test_a_heartbeat_goes_to_its_receiver_alone() -> None:
    alerts = alerts_of(
        receivers=[receiver("a"), receiver("dead")], route={"receiver": "a"},
        heartbeat={"receiver": "dead", "every": 5 * MINUTE},
    )  # fmt: skip
    router = Router(policy_from(alerts, []).route, frozenset({"a", "dead"}))
    [beat] = router.branches({"alertname": "Watchdog", "severity": "info"})
    assert (beat.receiver, beat.repeat_interval) == ("dead", 5 * MINUTE)
    assert [one.receiver for one in router.branches({"alertname": "FeatureDrift"})] == ["a"]


def test_a_models_own_word_on_its_trial() -> None:
    predictions = {"topic": "p", "time_format": "rfc3339"}
    live, slow, plain = (
        ModelConfig.model_validate({"name": name, "predictions": predictions, "alerts": alerts})
        for name, alerts in (("a", {"mode": "live"}), ("b", {"shadow_for": 3 * DAY}), ("c", None))
    )
    assert policy_from(alerts_of(), [live, slow, plain]).shadow.trials == {"a": 0, "b": 3 * DAY}


def test_a_rule_of_the_same_name_replaces_the_built_in_one() -> None:
    alerts = alerts_of(
        rules=[{"name": "FeatureDrift", "kinds": ["drift"], "when": {"above": 0.3}}], without=["LateRows"]
    )
    rules = policy_from(alerts, []).rules
    [own] = [rule for rule in rules if rule.name == "FeatureDrift"]
    assert own.key == "FeatureDrift/warn"
    assert "LateRows" not in {rule.name for rule in rules}


def test_routes_of_a_configuration_are_those_of_the_engine() -> None:
    alerts = alerts_of(
        receivers=[receiver("a"), receiver("b")],
        route={
            "receiver": "a",
            "group_by": ["model"],
            "routes": [{"matchers": ["severity=page"], "receiver": "b", "continue": True}],
        },
    )
    route = route_of(alerts)
    assert (route.receiver, route.group_by) == ("a", ("model",))
    assert [(one.receiver, one.carry_on) for one in route.routes] == [("b", True)]
    assert isinstance(route, Route)


def test_what_is_wrong_with_a_receiver_is_told_by_its_key() -> None:
    alerts = alerts_of(mode="builtin", receivers=[{**receiver("a"), "topic": "x"}])
    with pytest.raises(ReceiversError) as caught:
        build_notifiers(alerts, Path(), None)
    assert [(problem.index, problem.key) for problem in caught.value.problems] == [(0, "topic")]


def test_no_receiver_may_be_called_what_stands_for_none() -> None:
    alerts = alerts_of(mode="builtin", receivers=[receiver("a"), receiver(NOBODY)], route={"receiver": "a"})
    assert [(one.steps, one.hint) for one in check_alerts(alerts, {}, Path())] == [
        (("receivers", 1, "name"), "take another name")
    ]


def test_the_reference_of_alerts_is_up_to_date() -> None:
    assert (ROOT / "docs/reference/alert-rules.md").read_text(encoding="utf-8") == document.render()
