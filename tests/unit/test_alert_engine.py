"""The engine at its edges: many slices at once, sequences of signals, commands, forgetting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from alerts.builtin import INHIBITIONS, RULES
from alerts.conditions import Compare, StatusIs
from alerts.dispatcher import Dispatcher
from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.engine import AlertEngine
from alerts.matchers import parse_matchers
from alerts.notification import Alert, AlertGroup, Deadline, Delivered, Outcome
from alerts.policy import Policy, PolicyError, Receiver, Route
from alerts.receivers.payload import grouped
from alerts.signal import Signal
from alerts.store import Store
from tests.timeline.timeline import EACH, EPOCH, LIVE, Recorder, Timeline, between, policy, rule


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "alerts.db")
    yield opened
    opened.close()


def slices(count: int, status: str = "drift", first: int = 1) -> list[Signal]:
    return [
        Signal(
            number=first + number, kind="drift", observed_at=EPOCH, model="m", slice=f"shop={number}", column="age",
            status=status, statistic=0.3, threshold=0.2, p_value=1e-6, n=1000,
        )
        for number in range(count)
    ]  # fmt: skip


def test_ten_thousand_slices_are_one_message_an_interval(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(route=EACH))
    line.add(1, lambda: line.engine.apply(slices(10_000), line.now()))
    line.add(4, lambda: line.engine.apply(slices(10_000, "ok", 10_001), line.now()))
    line.add(5, lambda: line.engine.apply(slices(10_000, "drift", 20_001), line.now()))
    line.wind(20)
    assert [(told.at, len(told.group.alerts), told.group.truncated) for told in line.told] == [
        (2, 50, 9_950), (7, 50, 9_950),
    ]  # fmt: skip
    assert len(line.receivers["ops"].attempts) == 2
    assert all(len(body) <= 20_000 for _, body in line.receivers["ops"].attempts)
    body = grouped(line.told[0].group)
    assert len(body) <= 20_000
    document = json.loads(body)
    assert len(document["alerts"]) + document["truncatedAlerts"] == 10_000


def test_a_drill_goes_the_way_of_all_messages(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).do(lambda engine: engine.drill("ops", author="ada"))
    line.at(2).do(lambda engine: engine.drill("nobody", author="ada"))
    line.expect(between(1, 1.5), firing="amount")
    told = line.run(until=20)
    assert told[0].group.alerts[0].annotations["description"] == "ada asked for it. No model has drifted."


def test_ten_thousand_signals_are_applied_in_well_under_two_seconds(store: Store) -> None:
    engine = AlertEngine(store, Policy(RULES, EACH, INHIBITIONS, shadow=LIVE), {"ops": Recorder("ops")}, dispatch=False)
    rounds: list[float] = []
    for first in (0, 10_000, 20_000):
        signals = slices(10_000, first=first + 1)
        begin = time.process_time()
        assert engine.apply(signals, EPOCH) == first + 10_000
        rounds.append(time.process_time() - begin)
    assert min(rounds) < 1.5
    engine.close()


def test_signals_that_come_again_change_nothing(store: Store) -> None:
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    signals = slices(5)
    assert engine.apply(signals, EPOCH) == 5
    history = engine.history()
    assert engine.apply(signals[2:], EPOCH) == 5
    assert engine.history() == history
    assert len(history) == 5
    engine.close()


def test_signals_split_in_any_way_end_alike(tmp_path: Path) -> None:
    signals = [msgspec.structs.replace(signal, slice="", observed_at=EPOCH + n) for n, signal in enumerate(slices(12))]
    found = []
    for size in (1, 5, 12):
        store = Store(tmp_path / f"{size}.db")
        engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
        for first in range(0, 12, size):
            engine.apply(signals[first : first + size], EPOCH)
        found.append((engine.history(), store.look("SELECT fingerprint, entry FROM alerts")))
        engine.close()
        store.close()
    assert found[0] == found[1] == found[2]


def test_missing_signals_are_said_loudly_and_the_rest_is_applied(store: Store) -> None:
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    engine.apply(slices(2), EPOCH)
    assert engine.apply(slices(2, first=6), EPOCH) == 7
    assert engine.gaps == 3
    assert [(line.action, line.subject) for line in engine.audit()] == [("gap", "3 to 5")]
    engine.close()


def test_another_sequence_is_counted_anew(store: Store) -> None:
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    engine.apply(slices(9), EPOCH, "first")
    assert engine.apply(slices(3), EPOCH, "first") == 9
    assert engine.apply(slices(3, "ok"), EPOCH + 1, "second") == 3
    assert [line.subject for line in engine.audit()] == ["second"]
    engine.close()


def test_what_people_end_is_told_as_over_and_fires_again_when_it_holds_anew(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(10).do(lambda engine: engine.resolve(engine.alerts()[0].alert.fingerprint, author="ada", because="known"))
    line.at(30).drift("age")
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(10, 16), resolved="age")
    line.expect(between(31, 31.25), firing="age")
    told = line.run(until=40)
    assert told[1].group.alerts[0].because == "resolved by ada: known"


def test_what_nobody_hears_of_is_forgotten(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(forget_after=MINUTE)), step=1.0)
    line.at(1).drift("age")
    line.expect(between(2, 3), firing="age")
    line.expect(between(62, 80), resolved="age")
    told = line.run(until=120)
    assert told[1].group.alerts[0].because == "forgotten: nothing was heard of it for 1 min"


def test_a_rule_that_is_gone_ends_its_alerts(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.wind(5)
    again = Timeline(tmp_path, policy(rule("Other")))
    again.seconds = 5.0
    again.wind(20)
    assert [(set(told.firing), set(told.resolved)) for told in again.told] == [(set(), {"age"})]


def test_the_store_does_not_grow_with_what_is_over(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(keep=DAY), step=900.0)
    for start in range(0, 2 * 86_400, 3600):
        line.at(start).drift(f"c{start}")
        line.at(start + 1800).fine(f"c{start}")
    line.wind(2 * 86_400 + 30 * 3600)
    store = Store(line.store.path)
    tables = ("alerts", "history", "outbox", "groups")
    counts = {table: store.look(f"SELECT count(*) FROM {table}")[0][0] for table in tables}  # noqa: S608
    store.close()
    assert counts == {"alerts": 0, "history": 0, "outbox": 0, "groups": 0}


def test_a_policy_is_checked() -> None:
    with pytest.raises(PolicyError, match="cannot be told apart"):
        Policy((rule(), rule()), EACH)
    with pytest.raises(PolicyError, match="needs a receiver"):
        Policy((rule(),), Route())
    with pytest.raises(PolicyError, match="takes every alert"):
        Policy((rule(),), Route("ops", parse_matchers("a=b")))
    with pytest.raises(ValueError, match="no kind of signal"):
        rule(kind="wheather")


def test_a_route_to_nobody_is_refused(store: Store) -> None:
    with pytest.raises(PolicyError, match="no such receiver: pager"):
        AlertEngine(store, policy(route=Route("ops", routes=(Route("pager"),))), {"ops": Recorder("ops")})


class Slow(Recorder):
    """A receiver that takes its time."""

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        time.sleep(1.0)
        return super().send(message_id, body, deadline)


def test_a_slow_receiver_delays_no_other(store: Store) -> None:
    slow, quick = Slow("slow"), Recorder("quick")
    times: list[float] = []
    quick.answer = lambda _: times.append(time.monotonic()) or Delivered()  # type: ignore[func-returns-value]
    route = Route("slow", group_by=("...",), group_wait=0, routes=(Route("slow", carry_on=True), Route("quick")))
    engine = AlertEngine(store, policy(route=route, receivers={"quick": Receiver()}), {"slow": slow, "quick": quick})
    now = time.time_ns() // 1000
    begin = time.monotonic()
    engine.apply(slices(4), now)
    engine.tick(now)
    while len(times) < 4 and time.monotonic() < begin + 5:
        time.sleep(0.01)
    assert len(times) == 4
    assert times[-1] - begin < 1
    engine.close()
    assert len(slow.heard) < 4


def test_what_was_stored_is_delivered_after_a_start(tmp_path: Path) -> None:
    store, recorder = Store(tmp_path / "alerts.db"), Recorder("ops")
    engine = AlertEngine(store, policy(), {"ops": recorder}, dispatch=False)
    engine.apply(slices(1), EPOCH)
    engine.tick(EPOCH + 2 * SECOND)
    engine.close()
    dispatcher = Dispatcher(store, policy(), {"ops": recorder}, lambda: EPOCH + HOUR)
    until = time.monotonic() + 5
    while not recorder.heard and time.monotonic() < until:
        time.sleep(0.01)
    dispatcher.close()
    store.close()
    assert len(recorder.heard) == 1


class Forgetting(Recorder):
    """A receiver that must be told again."""

    again: list[dict[str, str]]

    def resend(self, alerts: Iterable[Alert], now: int, deadline: Deadline) -> Outcome:  # noqa: ARG002
        self.again.append({alert.labels["slice"]: alert.state for alert in alerts})
        return Delivered()


def test_a_receiver_that_forgets_is_told_again_of_what_it_knows(tmp_path: Path) -> None:
    store, recorder = Store(tmp_path / "alerts.db"), Forgetting("ops")
    recorder.again = []
    engine = AlertEngine(store, policy(), {"ops": recorder}, lambda: EPOCH, dispatch=False)
    engine.silences.add('slice="shop=2"', EPOCH + DAY, author="ada", comment="x")
    engine.apply(slices(3), EPOCH)
    engine.tick(EPOCH + 2 * SECOND)
    dispatcher = Dispatcher(store, policy(), {"ops": recorder}, lambda: EPOCH + 3 * SECOND, resend_every=0.05)
    both = {"shop=0": "firing", "shop=1": "firing"}
    wait_until(lambda: both in recorder.again)
    engine.apply(slices(1, "ok", 4), EPOCH + 3 * SECOND)
    dispatcher.wake(["ops"])
    wait_until(lambda: both | {"shop=0": "resolved"} in recorder.again)
    dispatcher.close()
    engine.close()
    store.close()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_likely_cause_comes_first(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("weak", evidence=12.0, threshold=10.0, importance=0.9)
    line.at(1).drift("minor", evidence=30.1, threshold=10.0, importance=0.1, onset=EPOCH - 9)
    line.at(1).drift("main", evidence=30.0, threshold=10.0, importance=0.4, onset=EPOCH - 5)
    line.at(1).drift("follows", evidence=30.2, threshold=10.0, importance=0.4, onset=EPOCH - 1)
    line.wind(3)
    assert [alert.labels["column"] for alert in line.told[0].group.alerts] == ["main", "follows", "minor", "weak"]


def test_a_rule_compares_with_the_same_hour_last_week(tmp_path: Path) -> None:
    twice = rule("Twice", "volume", condition=Compare("statistic", ">", 2.0, against="last_week"))
    line = Timeline(tmp_path, policy(twice), step=3600.0)
    for hour in range(24 * 9):
        rows = 100.0 if hour % 24 < 12 else 1000.0
        rows = rows * 2.5 if hour in {24 * 8 + 3, 24 * 8 + 4} else rows
        end = EPOCH + (hour + 1) * HOUR
        line.at(hour * 3600.0).signal("volume", model="m", statistic=rows, start=end - HOUR, end=end, n=10)
    line.wind(24 * 9 * 3600.0)
    assert [(told.at // 3600, set(told.firing)) for told in line.told if told.firing] == [(24 * 8 + 4, {"Twice"})]


def test_group_bodies_survive_storage() -> None:
    group = AlertGroup("ops", "k", {"model": "m"}, (), "id", 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(group), type=AlertGroup) == group
    assert StatusIs().breach == {"drift"}
