"""The page of proposals: every state, hostile texts, what may be decided where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from alerts.durations import DAY
from alerts.receivers.times import rfc3339
from alerts.retraining.ledger import insert
from alerts.retraining.states import STATES, Proposal, Switch
from alerts.store import Store
from dashboards.page import retraining as page
from dashboards.page.ask import Ask
from dashboards.page.links import PageLinks
from dashboards.page.past import NoPast
from dashboards.page.scene import Scene
from monitor.commands.retrain import Place, show
from monitor.retraining.view import proposal_view
from monitor.views import PauseView, ProposalView, RetrainedModelView, RetrainingView
from tests.example_view import NOW, UGLY, model, view

HARM = "<script>alert(1)</script>"
EVIDENCE: dict[str, Any] = {
    "labels": {"matured": 12_000, "coverage": 0.82},
    "alerts": [{"rule": "PerformanceDrop", "column": "roc_auc", "detector": "performance_change", "statistic": 0.81,
                "reference": 0.9, "low": -0.12, "high": -0.06, "n": 12_000}] * 7,
    "alerts_left_out": 3,
}  # fmt: skip


def proposal(state: str = "awaiting_approval", **fields: Any) -> ProposalView:
    """Return a proposal as it is shown."""
    plain = ProposalView(
        "5e9079eef7fe0000",
        "fraud",
        "payments",
        "7",
        "condition",
        "roc_auc fell",
        state,
        NOW,
        NOW,
        False,
        "fraud",
        EVIDENCE,
    )
    return replace(plain, **fields)


def shown(*proposals: ProposalView, pauses: tuple[PauseView, ...] = ()) -> str:
    models = (RetrainedModelView("fraud", "payments", "performance", dry_run=True, approval=True),)
    scene = Scene(view(model(), retraining=RetrainingView(NOW, models, proposals, pauses)), NoPast(), Ask(),
                  PageLinks("/retraining", Ask()))  # fmt: skip
    found = page.read(scene)
    assert found is not None
    return str(page.show(found, scene))


@pytest.mark.parametrize("switch", [one for one in get_args(Switch) if one])
def test_where_the_reference_stands_is_said(switch: Switch) -> None:
    one = Proposal(
        "5e9079eef7fe0000", "fraud", "", "7", "e", "condition", "fell", "cooldown", NOW, NOW, False, "ci", "{}",
        new_version="8", switch=switch, learn_from=NOW, learn_until=NOW + DAY, switched_at=NOW + 2 * DAY,
    )  # fmt: skip
    seen = proposal_view(one)
    assert (seen.switch, rfc3339(NOW) in seen.reference) == (switch, True)
    said = {"asked": "once they are all in", "switched": f"since {rfc3339(NOW + 2 * DAY)}; if it does not stay live",
            "holds": f"since {rfc3339(NOW + 2 * DAY)}, and held", "undone": "is undone"}  # fmt: skip
    assert said[switch] in seen.reference
    assert seen.reference in shown(seen)
    assert proposal_view(replace(one, learn_from=None, switch="")).reference == ""


def test_the_list_says_where_the_reference_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "alerts.sqlite")
    with store.transaction() as connection:
        insert(connection, Proposal(
            "5e9079eef7fe0000", "fraud", "", "7", "e", "condition", "fell", "cooldown", NOW, NOW, False, "ci", "{}",
            new_version="8", switch="asked", learn_from=NOW, learn_until=NOW + DAY,
        ))  # fmt: skip
    store.close()
    assert show(Place(tmp_path / "driftline.yaml", {}, tmp_path), None, as_json=False) == 0
    assert f"Version 8 is to be compared with its rows from {rfc3339(NOW)}" in capsys.readouterr().out


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_words_and_its_forms(state: str) -> None:
    html = shown(proposal(state))
    assert 'class="badge b-' in html
    assert ("/retraining/approve" in html) is (state in {"awaiting_approval", "parked"})
    assert ("/retraining/reject" in html) is (state in {"proposed", "awaiting_approval", "parked"})


def test_what_was_approved_is_not_approved_twice() -> None:
    html = shown(proposal(approved_by="ana"))
    assert "Approved by ana." in html
    assert "/retraining/approve" not in html


def test_evidence_is_told_in_figures() -> None:
    html = shown(proposal())
    for text in ("12,000 labels matured", "roc_auc, performance_change", "0.900 → 0.810", "and 5 more"):
        assert text in html


@pytest.mark.parametrize("text", [HARM, *UGLY])
def test_texts_of_others_are_no_markup(text: str) -> None:
    evil = {"labels": {}, "alerts": [{"rule": text, "column": text, "detector": text}], "alerts_left_out": 0}
    one = proposal(
        "done", because=text, problem=text, run=text, outcome=text, approved_by=text, version=text, evidence=evil
    )
    html = shown(one, pauses=(PauseView("", NOW, text, text),))
    assert "<script" not in html


def test_pauses_and_nothing() -> None:
    assert "Pause all" in shown()
    html = shown(pauses=(PauseView("", NOW, "ana", "the holidays"),))
    assert "the holidays" in html
    assert "Resume all" in html
    scene = Scene(view(model()), NoPast(), Ask(), PageLinks("/retraining", Ask()))
    assert page.read(scene) is None
    assert not page.has(scene)
