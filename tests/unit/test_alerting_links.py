"""Where messages lead: views of the real page that answer, at the time of what is told, and the dashboard."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from alerts.entry import to_alert
from alerts.judging import Judge
from alerts.memory import Memory
from alerts.receivers.text import is_link
from alerts.signal import KINDS, Signal
from dashboards.page.ask import Ask
from dashboards.page.site import Site
from monitor.alerting.links import dashboard_of, page_of
from monitor.alerting.policy import policy_from
from monitor.config.alerts import AlertsConfig
from monitor.events import DAY, HOUR
from tests.example_view import NOW, full_view

ROOT = "https://driftline.example"
COMMITTED = Path(__file__).parents[2] / "dashboards" / "grafana"


def signal(kind: str, **fields: object) -> Signal:
    """Return a signal of an hour's window of the example's model."""
    plain = {"model": "fraud", "version": "7", "column": "amount", "window": "fast", "start": NOW - HOUR, "end": NOW}
    return Signal(number=1, kind=kind, observed_at=NOW, **(plain | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("piece", ["", "country=DE"])
def test_every_address_leads_to_a_view_at_that_time(kind: str, piece: str) -> None:
    parts = urlsplit(page_of(ROOT, signal(kind, slice=piece)))
    assert f"{parts.scheme}://{parts.netloc}" == ROOT
    first, last = Ask.of(parse_qsl(parts.query)).range(None)
    assert first is not None
    assert last is not None
    assert first <= NOW - DAY < NOW < last <= NOW + 2 * DAY
    answer = Site(full_view).answer(parts.path, parse_qsl(parts.query))
    assert (answer.status, parts.path in Site.paths()) == (200, True), answer.body[:300]


def test_the_onset_is_shown_too() -> None:
    parts = urlsplit(page_of(ROOT, signal("evidence", onset=NOW - 9 * DAY)))
    first, _ = Ask.of(parse_qsl(parts.query)).range(None)
    assert first == NOW - 9 * DAY - HOUR


@pytest.mark.parametrize("name", ["<b>&x=1#y", "a b/c?d", "é" * 80, "\x00"])
def test_hostile_names_stay_within_their_part(name: str) -> None:
    address = page_of(ROOT, signal("drift", model=name, column=name))
    assert is_link(address)
    parts = urlsplit(address)
    assert (parts.netloc, parts.path, parts.fragment) == ("driftline.example", "/feature", "")
    assert [key for key, _ in parse_qsl(parts.query)] == ["model", "column", "window", "version", "from", "to"]


def test_without_an_address_there_is_no_link_and_the_service_has_its_alerts() -> None:
    assert (page_of("", signal("drift")), dashboard_of("", signal("drift"))) == ("", "")
    service = Signal(number=1, kind="shard", observed_at=NOW)
    assert (page_of(ROOT, service), dashboard_of(ROOT, service)) == (f"{ROOT}/alerts", "")


def test_messages_carry_both() -> None:
    config = AlertsConfig.model_validate(
        {"external_url": f"{ROOT}/", "dashboards": "https://grafana.example/", "receivers": []}
    )
    policy = policy_from(config, [])
    judge, memory = Judge(policy.rules), Memory()
    judge.judge(memory, signal("quality", status="drift", detector="missing_rate"))
    (entry,) = memory.entries.values()
    alert = to_alert(entry, judge.rules[entry.rule], "firing", policy)
    assert alert.url.startswith(f"{ROOT}/feature?model=fraud&column=amount&window=fast&version=7&from=")
    dashboard = alert.annotations["dashboard_url"]
    assert dashboard.startswith("https://grafana.example/d/driftline-model?var-model=fraud&from=")
    assert any('"uid": "driftline-model"' in file.read_text() for file in COMMITTED.rglob("*.json"))
