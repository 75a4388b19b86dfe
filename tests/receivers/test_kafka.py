"""CloudEvents on a topic."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from alerts.notification import Delivered, Outcome, Rejected, Retry
from alerts.receivers.kafka import ProducerError
from alerts.receivers.payload import thread_of
from tests.receivers.running import alert, built, group, here, resolved, within


class Recording:
    """A producer that keeps records, or fails as it is told."""

    def __init__(self, error: ProducerError | None = None) -> None:
        self.records: list[tuple[str, bytes, bytes, dict[str, bytes], float]] = []
        self._error = error

    def publish(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], seconds: float
    ) -> None:
        """Keep one record."""
        if self._error is not None:
            raise self._error
        self.records.append((topic, key, value, dict(headers), seconds))


def test_the_record_is_an_event_in_binary_mode() -> None:
    producer = Recording()
    bus = built("kafka", {"topic": "alerts"}, here(), producer=producer)
    body = bus.body(group(resolved(alert())))
    assert bus.send("msg_1", body, within(5)) == Delivered()
    topic, key, value, headers, seconds = producer.records[0]
    assert (topic, value) == ("alerts", body)
    assert key == thread_of(group().key).encode() == headers["ce_subject"]
    assert headers == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": b"msg_1",
        "ce_source": b"urn:driftline:alerts",
        "ce_type": b"io.driftline.alert.resolved.v1",
        "ce_subject": key,
        "ce_time": b"2026-10-26T07:33:20.000000Z",
    }
    assert 4 < seconds <= 5
    assert json.loads(value)["status"] == "resolved"


def test_all_messages_about_a_group_have_one_key() -> None:
    producer = Recording()
    bus = built("kafka", {"topic": "alerts"}, here(), producer=producer)
    for one in (group(), group(alert(), alert("Other")), group(resolved(alert())), group(key="another")):
        bus.send("m", bus.body(one), within(5))
    keys = [record[1] for record in producer.records]
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


@pytest.mark.parametrize(
    ("error", "seconds", "outcome"),
    [(ProducerError("no broker"), 5, Retry("no broker")),
     (ProducerError("too large", lasting=True), 5, Rejected("too large")),
     (None, -1, Retry("no time was left"))],
)  # fmt: skip
def test_failures(error: ProducerError | None, seconds: float, outcome: Outcome) -> None:
    bus = built("kafka", {"topic": "alerts"}, here(), producer=Recording(error))
    assert bus.send("m", bus.body(group()), within(seconds)) == outcome
