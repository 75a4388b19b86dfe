"""Adaptive cards for Microsoft Teams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from alerts.notification import Delivered
from tests.receivers.running import Running, alert, built, group, here, resolved, within

HOSTILE = "[click](https://evil.example) **b** <at>Everyone</at> &amp;"


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a card."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from parts(value)
    elif isinstance(node, list):
        for value in node:
            yield from parts(value)


def card_of(*alerts: Any, **changes: Any) -> dict[str, Any]:
    """Return the card for a group."""
    one = built("teams", {"url": "https://prod.example/workflows/x?sig=y"}, here(443))
    message = json.loads(one.body(group(*alerts, **changes)))
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert isinstance(card, dict)
    return card


def test_texts_stand_where_no_markup_is_read() -> None:
    card = card_of(alert(labels={"alertname": HOSTILE}, annotations={"summary": HOSTILE, "effect": HOSTILE}))
    holding = [part for part in parts(card) if HOSTILE in part.values()]
    assert holding
    assert {part["type"] for part in holding} == {"TextRun"}
    assert not [part for part in parts(card) if part.get("type") in {"TextBlock", "FactSet"}]


def test_colours_and_buttons() -> None:
    for one, colour in (
        (alert(), "attention"),
        (alert(labels={"severity": "warn"}), "warning"),
        (resolved(alert()), "good"),
    ):
        assert card_of(one)["body"][0]["inlines"][0]["color"] == colour
    actions = card_of(alert(), alert())["actions"]
    assert len(actions) <= 6
    assert [action["title"] for action in actions] == ["Page", "Dashboard", "Runbook", "Overview"]
    assert all(action["type"] == "Action.OpenUrl" for action in actions)


def test_a_workflow_accepts(shared: Running) -> None:
    one = built("teams", {"url": shared.url("status/202")}, here(shared.port))
    assert one.send("m", one.body(group()), within(5)) == Delivered()
