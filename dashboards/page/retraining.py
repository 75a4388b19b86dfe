"""Proposals to retrain: what each rests on, where it stands, and forms to decide on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboards.figures import count, figure, moment, share, when
from dashboards.html import Child, Html, join, name, tag
from dashboards.page.alerts import field, token_field
from dashboards.page.parts import badge, card, link, more, nothing, table, tiles
from dashboards.page.scene import Scene
from monitor.labels import label
from monitor.views import PauseView, ProposalView, RetrainedModelView

_SHOWN: Final = 50
_NONE_CONFIGURED: Final = "No model's retraining is configured. Add retraining: to a model; see docs/retraining.md."
_STATES: Final = {
    "proposed": ("insufficient", "held back"),
    "awaiting_approval": ("warn", "awaits approval"),
    "requested": ("warn", "being requested"),
    "parked": ("drift", "parked: did it start?"),
    "running": ("warn", "running"),
    "succeeded": ("ok", "succeeded"),
    "failed": ("drift", "failed"),
    "cooldown": ("insufficient", "cooling down"),
    "done": ("insufficient", "over"),
    "rejected": ("insufficient", "rejected"),
    "withdrawn": ("insufficient", "withdrawn"),
}
"""State → the status whose shape it takes, and its words."""
_OPEN: Final = frozenset({"proposed", "awaiting_approval", "requested", "parked", "running", "succeeded"})
_REJECTABLE: Final = frozenset({"proposed", "awaiting_approval", "parked"})


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """One proposal."""

    id: str
    model: str
    version: str
    state: str
    words: str
    since: datetime | None
    created_at: datetime | None
    because: str
    dry_run: bool
    target: str
    approved_by: str
    outcome: str
    problem: str
    run: str
    new_version: str
    frozen: bool
    switch: str
    reference: str
    decided: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Retraining:
    """All of it."""

    models: list[RetrainedModelView]
    pauses: list[PauseView]
    waiting: int
    running: int
    proposals: list[ProposalRow]


def has(scene: Scene) -> bool:
    """Return whether any model's retraining is configured, or was."""
    view = scene.view.retraining
    return view is not None and bool(view.models or view.proposals)


def read(scene: Scene) -> Retraining | None:
    """Return the proposals, ``None`` where nothing is kept of them."""
    view = scene.view.retraining
    if view is None:
        return None
    states = [one.state for one in view.proposals]
    return Retraining(
        models=list(view.models),
        pauses=list(view.pauses),
        waiting=states.count("awaiting_approval") + states.count("parked"),
        running=states.count("running"),
        proposals=[_row(one) for one in view.proposals],
    )


def show(found: Retraining, scene: Scene) -> Html:
    """Return the figures and the table."""
    in_report = scene.links.here(scene.ask) is None
    head = tiles([
        ("Wait for a person", count(found.waiting), None),
        ("Running", count(found.running), None),
        ("Models", count(len(found.models)), _dry(found.models)),
    ])  # fmt: skip
    top = tag("section", head, _pauses(found, forms=not in_report), id="retraining-now", aria_label="Retraining now")
    if not found.proposals:
        words = "Nothing was proposed yet: no condition below held." if found.models else _NONE_CONFIGURED
        return join(top, card("Proposals", nothing(words), id_="proposals"), _watched(found, scene))
    rows = [_cells(one, scene, form=not in_report) for one in found.proposals[:_SHOWN]]
    heads = ("State", "Model", "Why", "Evidence", "Decide")
    return join(top, card("Proposals", table(heads, rows, caption="Proposals to retrain, newest first", words=True),
                          id_="proposals"), _watched(found, scene))  # fmt: skip


def _watched(found: Retraining, scene: Scene) -> Html | None:
    """Return which models are proposed when, and what then happens."""
    rows = [
        (
            link(scene.links.model(one.model), name(one.model)),
            tag("code", one.condition) if one.condition else "on schedule, or when asked",
            "dry run: nothing is sent" if one.dry_run else "is sent",
            "a person approves" if one.approval else "by itself",
        )
        for one in found.models
    ]
    if not rows:
        return None
    shown = table(
        ("Model", "When", "Request", "Approval"), rows, caption="Models whose retraining is configured", words=True
    )
    return card("What is proposed when", shown, id_="retrained")


def _dry(models: Sequence[RetrainedModelView]) -> str | None:
    dry = sum(model.dry_run for model in models)
    return f"{count(dry)} of them in dry run: nothing is sent" if dry else None


def _row(one: ProposalView) -> ProposalRow:
    words = _STATES.get(one.state, ("", one.state))[1]
    return ProposalRow(
        id=one.id,
        model=label(one.model),
        version=label(one.version),
        state=one.state,
        words=f"{words}, dry run" if one.dry_run else words,
        since=moment(one.since),
        created_at=moment(one.created_at),
        because=one.because[:500],
        dry_run=one.dry_run,
        target=one.target,
        approved_by=one.approved_by,
        outcome=one.outcome,
        problem=one.problem[:500],
        run=one.run,
        new_version=label(one.new_version),
        frozen=one.frozen,
        switch=one.switch,
        reference=one.reference[:500],
        decided=one.decided[:500],
        evidence=one.evidence,
    )


def _cells(one: ProposalRow, scene: Scene, *, form: bool) -> tuple[Child, ...]:
    status = _STATES.get(one.state, ("insufficient", ""))[0]
    version = tag("p", "version ", name(one.version), class_="note") if one.version else None
    return (
        join(badge(status, one.words), tag("p", "since ", when(one.since, age=True), class_="note")),
        join(
            link(scene.links.model(one.model), name(one.model)), version, tag("p", name(one.id[:12]), class_="note n")
        ),
        join(tag("p", one.because), _remarks(one)),
        _evidence(one.evidence),
        _forms(one) if form else None,
    )


def _remarks(one: ProposalRow) -> Html | None:
    told = [
        f"Held back by {one.decided}." if one.decided else "",
        f"Approved by {one.approved_by}." if one.approved_by else "",
        f"Run {one.run}." if one.run else "",
        f"New version {one.new_version}." if one.new_version else "",
        f"Ended: {one.outcome.replace('_', ' ')}." if one.outcome and one.state not in _OPEN else "",
        f"{one.problem}." if one.problem else "",
        one.reference,
        "Warnings about features are held back until the new reference holds." if one.frozen else "",
    ]
    shown = " ".join(text for text in told if text)
    return tag("p", shown, class_="note") if shown else None


def _evidence(document: Mapping[str, Any]) -> Html:
    """Return the figures of the alerts; everything else is in the JSON of this page."""
    labels = document.get("labels", {})
    known = [f"{count(labels['matured'])} labels matured"] if labels.get("matured") is not None else []
    known += [f"{share(labels['coverage'])} of what is mature has one"] if labels.get("coverage") is not None else []
    alerts = document.get("alerts", [])
    shown = [tag("li", tag("b", alert.get("rule", "")), " ", _figures(alert)) for alert in alerts[:5]]
    rest = len(alerts) - 5 + document.get("alerts_left_out", 0)
    title = f"{count(len(alerts))} alert{'s' if len(alerts) != 1 else ''}"
    return join(
        more(title, tag("ul", shown), tag("p", f"and {rest} more", class_="note")
             if rest > 0 else None) if shown else tag("p", "asked for, not by alerts", class_="note"),
        tag("p", "; ".join(known), class_="note") if known else None,
    )  # fmt: skip


def _figures(alert: Mapping[str, Any]) -> str:
    parts = [str(alert[key]) for key in ("column", "detector") if alert.get(key)]
    if alert.get("statistic") is not None:
        before = f"{figure(alert['reference'])} → " if alert.get("reference") is not None else ""
        parts.append(before + figure(alert["statistic"]))
    if alert.get("low") is not None and alert.get("high") is not None:
        parts.append(f"effect within {figure(alert['low'])} to {figure(alert['high'])}")
    if alert.get("n"):
        parts.append(f"{count(alert['n'])} rows")
    return ", ".join(parts)


def _forms(one: ProposalRow) -> Html | None:
    if one.state not in _REJECTABLE:
        return None
    approve = None
    if one.state == "parked" or (one.state == "awaiting_approval" and not one.approved_by):
        title = "Send it again" if one.state == "parked" else "Approve"
        approve = more(title, _form("/retraining/approve", one.id, title))
    reject = more("Reject", _form("/retraining/reject", one.id, "Reject", field("Because", "because", maxlength=300)))
    return join(approve, reject)


def _form(action: str, proposal: str, title: str, *fields: Html) -> Html:
    hidden = tag("input", type="hidden", name="id", value=proposal)
    return tag("form", hidden, *fields, token_field(), tag("button", title), method="post", action=action)


def _pauses(found: Retraining, *, forms: bool) -> Html | None:
    told = [
        tag("p", "Paused: ", name(pause.model) if pause.model else "all models", f", by {pause.author}, since ",
            when(moment(pause.at), age=True), f": {pause.because}", class_="note")
        for pause in found.pauses
    ]  # fmt: skip
    if not forms or not found.models:
        return join(*told) if told else None
    if any(not pause.model for pause in found.pauses):
        form = more("Resume all", tag("form", token_field(), tag("button", "Resume"), method="post",
                                      action="/retraining/resume"))  # fmt: skip
    else:
        form = more("Pause all", tag("form", field("Because", "because", maxlength=300), token_field(),
                                     tag("button", "Pause"), method="post", action="/retraining/pause"))  # fmt: skip
    return join(*told, form)
