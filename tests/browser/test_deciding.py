"""People decide through the page of a running service: a proposal, an alert, an incident, an event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.evidence.orders import Orders
from tests.browser.chromium import Tab
from tests.browser.test_page import faults
from tests.integration.test_service import Running, running

KIM = "page-page-page-page"
HOUR = 3600
MODEL = """\
  - name: NAME
    owner: payments
    predictions: {file: "FOLDER/predictions.jsonl", time_format: epoch_s,
      map: {id: value.id, time: value.ts, version: value.v, features: value.features, score: value.score}}
    labels: {file: "FOLDER/labels.jsonl", time_format: epoch_s, map: {id: value.id, time: value.at, label: value.y}}
    task: binary_classification
    positive_class: 1
    join: {wait: 1d}
    reference: {source: reference.json}
    evidence: {window: 1h}
    windows: {hourly: {size: 1h, lateness: 1m}}
    detectors: [{kind: psi, on: [features], warn: 0.05, alert: 0.1}]
    retraining:
      when: "drift"
      target: {kind: webhook, url: "https://pipelines.example/retrain"}
      guardrails: {min_matured_labels: 0, min_label_coverage: 0, settle: 0s, clean_for: 0s}
"""
CONFIG = """\
version: 1
models:
MODELS
defaults: {alerts: {mode: live}}
alerts: {mode: prometheus_only, late_delivery: 3650d}
state: {path: "FOLDER/state"}
http:
  listen: "127.0.0.1:0"
  tokens: [{name: kim, token: "TOKEN", actions: [approve, mark, silence]}]
"""


def rows(begin: float, hours: int, moved: int, seed: int, rate: int = 200) -> Iterator[dict[str, object]]:
    """Yield predictions, ``rate`` an hour; in the last ``moved`` hours only high amounts come."""
    generator = np.random.default_rng(seed)
    for place in range(rate * hours):
        least = 0.5 if place >= rate * (hours - moved) else 0.0
        features = {"amount": float(generator.uniform(least, 1)), "age": float(generator.uniform(18, 80))}
        yield {"id": f"{seed}-{place}", "ts": round(begin + place * HOUR / rate), "v": "7", "features": features,
               "score": float(generator.random())}  # fmt: skip


def write(path: Path, lines: Iterator[dict[str, object]]) -> None:
    """Write lines of JSON."""
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a service that has read a day in which a feature moved, eight hours ago."""
    folder = tmp_path_factory.mktemp("service")
    now = time.time() // HOUR * HOUR
    write(folder / "reference.jsonl", rows(now - 30 * 24 * HOUR, 28 * 24, 0, 1, 30))
    write(folder / "predictions.jsonl", rows(now - 30 * HOUR, 31, 9, 2))
    (folder / "labels.jsonl").write_text("")
    config = folder / "driftline.yaml"
    models = "".join(MODEL.replace("NAME", name) for name in ("fraud", "churn"))
    config.write_text(CONFIG.replace("MODELS", models).replace("FOLDER", str(folder)).replace("TOKEN", KIM))
    made = CliRunner().invoke(
        app,
        ["reference", "build", "-c", str(config), "--model", "fraud", "--from-file", str(folder / "reference.jsonl"),
         "--out", str(folder / "reference.json")],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    with running(config) as started:
        started.wait_for("/-/ready", 200)
        yield started


def address(service: Running) -> str:
    """Return where the page is."""
    return f"http://127.0.0.1:{service.port}"


def states(service: Running) -> dict[str, tuple[str, str]]:
    """Return model → state and outcome of its proposal."""
    found = httpx2.get(f"{address(service)}/api/v1/retraining/proposals").json().get("proposals", [])
    return {one["model"]: (one["state"], one["outcome"]) for one in found}


def settled(look: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def send(tab: Tab, form: str, press: str = "button", **fields: str) -> None:
    """Open what hides a form, fill it in as a person does, and press its button; returns on the page after it."""
    tab.run(f"document.querySelector({form!r}).closest('details').open = true")
    for key, value in fields.items():
        tab.run(f"document.querySelector({form!r}).elements[{key!r}].focus()")
        tab.run(f"document.querySelector({form!r}).elements[{key!r}].select()")
        tab.call("Input.insertText", text=value)
    tab.browser.loaded.discard(tab.session)
    tab.run(f"document.querySelector({form!r}).querySelector({press!r}).click()")
    tab.browser.wait(lambda: tab.session in tab.browser.loaded, "the form leads nowhere")


def quiet(tab: Tab, service: Running) -> None:
    """Check that nothing complained, nobody else was asked, and anybody could use what is seen."""
    assert tab.complaints == []
    assert [one for one in tab.requests if not one.startswith((address(service), "about:blank"))] == []
    assert faults(tab) == []


def test_a_proposal_is_approved_and_another_rejected(service: Running, tab: Tab) -> None:
    settled(
        lambda: list(states(service).values()) == [("awaiting_approval", "")] * 2, "two proposals wait for a person"
    )
    tab.look()
    tab.go(f"{address(service)}/retraining")
    tab.until("document.querySelectorAll('form[action=\"/retraining/approve\"]').length === 2")
    first = tab.run("document.querySelector('form[action=\"/retraining/approve\"]').elements.id.value")
    send(tab, 'form[action="/retraining/approve"]', token=KIM)
    assert tab.run("location.pathname") == "/retraining"
    tab.until("document.querySelectorAll('form[action=\"/retraining/reject\"]').length === 1")
    send(tab, 'form[action="/retraining/reject"]', token=KIM, because="the season has ended")
    tab.until("!document.querySelector('form[action=\"/retraining/reject\"]')")
    told = httpx2.get(f"{address(service)}/api/v1/retraining/proposals").json()["proposals"]
    by_id = {one["id"]: one for one in told}
    assert (by_id[first]["approved_by"], by_id[first]["outcome"]) == ("kim", "dry_run")
    (other,) = (one for one in told if one["id"] != first)
    assert other["state"] == "rejected"
    assert "the season has ended" in tab.run("document.querySelector('main').innerText")
    quiet(tab, service)


def test_an_alert_is_silenced_and_the_silence_ended(service: Running, tab: Tab) -> None:
    tab.look()
    tab.go(f"{address(service)}/alerts")
    tab.until("document.querySelector('#alerts form')")
    send(tab, "#alerts form", token=KIM, comment="campaign until six", **{"for": "2h"})
    told = tab.until("document.querySelector('#silences table')?.innerText")
    assert "campaign until six" in told
    assert "kim" in told
    tab.until("document.querySelector('#alerts').innerText.includes('silenced')")
    quiet(tab, service)
    send(tab, '#silences form[action="/alerts/expire"]', token=KIM)
    tab.until("document.querySelector('#silences').innerText.includes('Nothing is silenced')")
    tab.until("!document.querySelector('#alerts').innerText.includes('silenced')")
    quiet(tab, service)


def test_an_incident_is_marked_and_its_cause_noted(service: Running, tab: Tab) -> None:
    tab.look()
    tab.go(f"{address(service)}/model?model=fraud")
    at = datetime.fromtimestamp(time.time() // HOUR * HOUR - 8.5 * HOUR, UTC).strftime("%Y-%m-%dT%H:%MZ")
    send(tab, "#events form", what="new prices <b>", kind="deploy", at=at, token=KIM)
    assert tab.run("location.pathname + location.search") == "/model?model=fraud"
    assert "new prices <b>" in tab.run("document.querySelector('#events').innerText"), "it is there at once"
    assert "new prices <b>" in tab.run("document.querySelector('#heat .strip').getAttribute('aria-label')")
    tab.go(f"{address(service)}/evidence?model=fraud")
    assert "new prices <b>" in tab.run("document.querySelector('#incidents').innerText")
    spec = json.loads(tab.run("document.querySelector('#gathered .plot script').textContent"))
    assert [words for _, _, words in spec["events"]] == ["new prices <b>"]
    send(tab, "#incidents form", 'button[value="expected"]', because="we raised prices", token=KIM)
    assert tab.run("location.pathname + location.search") == "/evidence?model=fraud"
    told = tab.run("document.querySelector('#incidents').innerText")
    assert "we raised prices" in told
    assert "by kim" in told
    marks = [one for one in Orders(service.log.parent / "state").after(0) if one.kind == "expected"]
    assert [(one.who, one.model, one.because) for one in marks] == [("kim", "fraud", "we raised prices")]
    quiet(tab, service)


def test_a_token_that_is_wrong_changes_nothing_and_says_so(service: Running, tab: Tab) -> None:
    before = Orders(service.log.parent / "state").newest()
    tab.go(f"{address(service)}/evidence?model=fraud")
    send(tab, "#incidents form", 'button[value="noise"]', token=KIM[::-1])
    assert tab.run("document.querySelector('h1').innerText") == "Nothing was changed"
    assert "token" in tab.run("document.querySelector('main').innerText")
    assert Orders(service.log.parent / "state").newest() == before
