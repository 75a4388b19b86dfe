"""How alerts get to their receivers, and who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import count, moment, when
from dashboards.html import Html, join, name
from dashboards.page.parts import badge, card, more, nothing, sentence, table
from dashboards.page.scene import Scene
from monitor.labels import label

_LINES: Final = 100


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """One receiver."""

    name: str
    status: str
    """``ok``, ``failing`` or ``disabled``."""
    waiting: int
    delivered_at: datetime | None
    deliveries: int
    retries: int
    parkings: int
    problem: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change."""

    at: datetime | None
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """Receivers and the audit."""

    receivers: list[ReceiverRow]
    audit: list[AuditRow]


def read(scene: Scene) -> Delivery | None:
    """Return receivers and audit, ``None`` where nothing is judged."""
    view = scene.view.alerts
    if view is None:
        return None
    return Delivery(
        receivers=[
            ReceiverRow(
                label(one.name), "disabled" if one.disabled else "failing" if one.failures else "ok", one.waiting,
                moment(one.delivered_at), one.deliveries, one.retries, one.parkings, sentence(one.problem),
            )
            for one in view.receivers
        ],
        audit=[
            AuditRow(moment(one.at), label(one.actor), one.action, sentence(one.subject), sentence(one.detail))
            for one in view.audit
        ],
    )  # fmt: skip


def show(found: Delivery, scene: Scene) -> Html:
    """Return both tables."""
    del scene
    return join(_receivers(found), _audit(found))


def _receivers(found: Delivery) -> Html:
    if not found.receivers:
        return card("Receivers", nothing("No receiver is configured, so nothing is sent."), id_="receivers")
    rows = [
        (
            name(one.name), _badge(one.status), count(one.waiting), when(one.delivered_at, age=True),
            count(one.deliveries), count(one.retries), count(one.parkings), one.problem,
        )
        for one in found.receivers
    ]  # fmt: skip
    heads = ("Receiver", "State", "Waiting", "Last delivery (UTC)", "Delivered", "Retried", "Given up", "Problem")
    return card("Receivers", table(heads, rows, caption="Receivers", words=True, numbers=(2, 4, 5, 6)), id_="receivers")


def _badge(status: str) -> Html:
    return {"ok": badge("ok"), "failing": badge("warn", "fails, trying again")}.get(status, badge("drift", "disabled"))


def _audit(found: Delivery) -> Html | None:
    if not found.audit:
        return None
    rows = [
        (when(one.at), name(one.actor), one.action, name(one.subject), name(one.detail))
        for one in found.audit[:_LINES]
    ]  # fmt: skip
    heads = ("When (UTC)", "Who", "What", "Of", "Detail")
    return card("Audit", more(f"The latest ({count(len(rows))})", table(heads, rows, caption="Audit", words=True)),
                id_="audit", note="Whoever changed something, and what the service changed by itself.")  # fmt: skip
