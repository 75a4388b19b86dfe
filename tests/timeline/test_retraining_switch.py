"""The reference after a success: asked for once the version is live, frozen until it switches, undone if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.durations import DAY, HOUR
from alerts.receivers.times import rfc3339
from alerts.silences import read_silences
from monitor.evidence.orders import Orders
from monitor.retraining.switches import SwitchOrders
from monitor.store.port import StateUnavailableError
from tests.retraining_ground import FREE, MODEL, Ground, policy_of

LEARN = 3 * DAY


class Service(Ground):
    """A ground whose event time is its clock, with the file of orders beside it, and what the pipeline would do."""

    def __init__(self, folder: Path, learn: int | None = LEARN) -> None:
        policy = policy_of(replace(FREE, settle=6 * HOUR))
        mine = replace(policy.models[MODEL], learn=learn)
        super().__init__(folder, replace(policy, models={MODEL: mine}))
        self.orders = Orders(folder)
        self.given = SwitchOrders(self.orders)

    def wait(self, span: int = 3_000_000) -> None:
        """Let time pass, an hour at a time, and give the orders that are asked for."""
        end = self.now + span
        while self.now < end:
            self.know(at=self.now)
            super().wait(min(HOUR, end - self.now))
            self.given.order(self.desk.proposals(), self.now)

    def lives(self, version: str, reference: str = "abc") -> None:
        """Have a version be live, compared with a reference."""
        self.know(version=version, references={"7": "abc", "8": reference})
        self.wait()

    def kinds(self) -> list[str]:
        """Return the kinds of all orders, in order."""
        return [order.kind for order in self.orders.after(0)]

    def frozen(self) -> bool:
        """Return whether warnings against the old reference are kept back."""
        with self.store.reading() as connection:
            return any(one.active(self.now) for one in read_silences(connection, self.now))

    def succeeded(self) -> None:
        """Bring a run to its end: a drop, a request, a new version."""
        self.tell("performance")
        self.wait()
        self.tell("performance", "ok")
        self.lives("8")
        self.wait()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def test_it_switches_to_whole_days_of_the_new_version(service: Service) -> None:
    service.succeeded()
    found = service.one()
    assert (found.state, found.new_version, found.switch, service.frozen()) == ("succeeded", "8", "asked", True)
    (order,) = service.orders.after(0)
    assert found.adopted_at is not None
    begin = -(-found.adopted_at // DAY) * DAY
    assert (order.kind, order.model, order.column, order.until) == ("switch", MODEL, rfc3339(begin), begin + LEARN)
    assert found.id in order.because
    service.wait(3 * DAY)
    assert (service.frozen(), service.kinds()) == (True, ["switch"]), "until it has switched"
    service.lives("8", "def")
    assert (service.one().switch, service.frozen()) == ("switched", False)
    service.wait(7 * HOUR)
    assert (service.one().switch, service.one().state, service.kinds()) == ("holds", "done", ["switch"])
    said = [decision for decision in service.decisions() if "reference" in decision]
    assert said == ["reference_asked", "reference_switched", "reference_holds", "reference_settled"]


@pytest.mark.parametrize("when", ["before it is asked to hold", "while it is learnt", "just after it switched"])
def test_a_version_that_does_not_hold_takes_its_reference_with_it(service: Service, when: str) -> None:
    service.succeeded()
    service.wait({"before it is asked to hold": HOUR, "while it is learnt": 2 * DAY}.get(when, 90 * HOUR))
    if when == "just after it switched":
        service.lives("8", "def")
        service.wait(2 * HOUR)
        assert service.one().switch == "switched"
    service.lives("7", "abc")
    service.wait(HOUR)
    assert service.one().switch == "undone"
    switch, back = service.orders.after(0)
    assert (switch.kind, back.kind, back.column) == ("switch", "switch_back", str(switch.number))
    assert "reference_undone" in service.decisions()
    service.wait(20 * DAY)
    assert (service.frozen(), service.one().state, service.kinds()) == (False, "done", ["switch", "switch_back"])


def test_what_holds_is_not_undone_later(service: Service) -> None:
    service.succeeded()
    service.wait(90 * HOUR)
    service.lives("8", "def")
    service.wait(DAY)
    service.lives("7", "abc")
    service.wait(2 * DAY)
    assert (service.one().switch, service.kinds()) == ("holds", ["switch"])


def test_what_never_switches_is_given_up(service: Service) -> None:
    service.succeeded()
    service.wait(5 * DAY)
    assert (service.one().switch, service.frozen()) == ("undone", False)
    assert service.kinds() == ["switch", "switch_back"], "should it still come, it is taken back"


def test_orders_are_given_once_whatever_crashes(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise StateUnavailableError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Orders, "add", full)
        service.succeeded()
        assert not service.given.order(service.desk.proposals(), service.now)
    assert service.kinds() == []
    for _ in range(4):
        service.given = SwitchOrders(service.orders)
        assert service.given.order(service.desk.proposals(), service.now)
    assert service.kinds() == ["switch"]


def test_without_a_word_on_it_nothing_is_ordered(tmp_path: Path) -> None:
    service = Service(tmp_path, learn=None)
    service.succeeded()
    service.wait(2 * DAY)
    assert (service.one().switch, service.kinds(), service.frozen()) == ("", [], True)
    service.close()
