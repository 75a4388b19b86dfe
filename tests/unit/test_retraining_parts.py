"""Conditions, limits, states, blackouts and the evidence document, apart from everything else."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.entry import Entry
from alerts.lifecycle import Machine, Track
from alerts.retraining.evidence import SHOWN, bundle
from alerts.retraining.expression import FAULTS, WORDS, ExpressionError, parse_expression
from alerts.retraining.facts import Facts, OwnChange
from alerts.retraining.guardrails import REASONS, Past, Situation, blocks, standing_blocks
from alerts.retraining.policy import Blackout, Guardrails, ModelPolicy
from alerts.retraining.states import NEXT, OPEN, STATES, Proposal, TransitionError, move
from alerts.signal import KINDS, Signal

NOW = 1_800_000_000 * SECOND
"""A Friday, 08:00 UTC."""
GOOD = Facts(version="7", matured_labels=10_000, coverage=1.0)


def entry(kind: str, at: int = 0, phase: str = "firing", **changes: Any) -> Entry:
    """Return an alert about the model."""
    signal = Signal(number=1, kind=kind, observed_at=at, model="m", **changes)
    track = Track(machine=Machine(phase=phase, started=at))  # type: ignore[arg-type]
    return Entry(f"{kind}/{changes}", kind, {"alertname": kind, "model": "m"}, track, signal, at)


@pytest.mark.parametrize(
    ("text", "kinds", "holds"),
    [
        ("performance drop or (drift and estimated drop)", ["performance"], True),
        ("performance drop or (drift and estimated drop)", ["drift"], False),
        ("performance drop or (drift and estimated drop)", ["drift", "estimate"], True),
        ("performance or drift and estimated", ["estimate"], False),
        ("(performance or drift) and estimated", ["performance", "estimate"], True),
        ("(performance or drift) and estimated", ["performance"], False),
        ("((concept))", ["concept"], True),
        ("calibration and score and evidence", ["calibration", "score", "evidence"], True),
        ("calibration and score and evidence", ["calibration", "score"], False),
        ("drift", ["evidence"], True),
    ],
)
def test_conditions(text: str, kinds: list[str], holds: bool) -> None:
    found = parse_expression(text).support([entry(kind) for kind in kinds])
    assert (found is not None) is holds


@pytest.mark.parametrize(
    ("text", "changes", "holds"),
    [
        ("performance.roc_auc", {"column": "roc_auc"}, True),
        ("performance.roc_auc", {"column": "precision"}, False),
        ("performance.roc_auc.effect < -0.03", {"column": "roc_auc", "effect": -0.04}, True),
        ("performance.roc_auc.effect < -0.03", {"column": "roc_auc", "effect": -0.03}, False),
        ("performance.effect < -.03", {"column": "roc_auc", "effect": -0.04}, True),
        ("performance.n > 1e3", {"n": 1_001}, True),
        ("performance.effect < -0.03", {"effect": math.nan}, False),
        ("performance.effect < -0.03", {"effect": -1.0, "status": "insufficient"}, False),
        ('performance["a.b"]', {"column": "a.b"}, True),
        ('performance["p > 1 and \'x"].effect > 2', {"column": "p > 1 and 'x", "effect": 3.0}, True),
        ("performance", {"slice": "country=DE"}, False),
        ("performance.recall", {"labels": {"metric": "recall"}}, True),
    ],
)
def test_columns_and_figures(text: str, changes: dict[str, Any], holds: bool) -> None:
    assert (parse_expression(text).support([entry("performance", **changes)]) is not None) is holds


def test_pending_and_resolved_alerts_do_not_count() -> None:
    for phase in ("pending", "inactive"):
        assert parse_expression("performance").support([entry("performance", phase=phase)]) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "missing"),
        ("performance or", "missing"),
        ("(performance", "not closed"),
        ("performance)", "not expected"),
        ("performanse", "did you mean performance"),
        ("not drift", "absence"),
        ("performance drift", "not expected"),
        ("performance > 1", "which figure"),
        ("performance.effect", "needs a bound"),
        ("drift.x.effect < y", "no number"),
        ("drift; import os", "cannot be understood"),
        ("drift.__class__.effect < ", "missing"),
        ("drift[x]", "square"),
        ("(" * 30 + "drift" + ")" * 30, "too deep"),
        ("drift or " * 200 + "drift", "too long"),
        ("drift == 1", "cannot"),
        *((fault, "no reason to retrain") for fault in sorted(FAULTS)),
    ],
)  # fmt: skip
def test_what_is_no_condition(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem):
        parse_expression(text)


@hypothesis_settings(deadline=None)
@given(st.text(alphabet='performancedrift ()orand.<>0.5-"[]é', max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        found = parse_expression(text)
    except ExpressionError:
        return
    assert found.support([]) is None


EXPRESSIONS = st.recursive(
    st.sampled_from(sorted(WORDS)),
    lambda inner: st.tuples(st.sampled_from([" and ", " or "]), st.lists(inner, min_size=2, max_size=3)),
    max_leaves=6,
)


def written(tree: Any) -> str:
    return tree if isinstance(tree, str) else "(" + tree[0].join(written(each) for each in tree[1]) + ")"


def truth(tree: Any, kinds: set[str]) -> bool:
    if isinstance(tree, str):
        return WORDS[tree] in kinds or (tree == "drift" and "evidence" in kinds)
    sign, parts = tree
    held = [truth(each, kinds) for each in parts]
    return all(held) if sign == " and " else any(held)


@hypothesis_settings(deadline=None)
@given(EXPRESSIONS, st.sets(st.sampled_from(sorted(KINDS))), st.integers(0, 100))
def test_conditions_equal_the_truth_table(tree: object, kinds: set[str], at: int) -> None:
    entries = [entry(kind, at + place) for place, kind in enumerate(sorted(kinds))]
    found = parse_expression(written(tree)).support(entries)
    assert (found is not None) is truth(tree, kinds)
    if found is not None:
        assert {each.signal.kind for each in found.entries} <= kinds
        assert at <= found.since < at + len(entries)
        # More alerts never take a reason away.
        assert parse_expression(written(tree)).support([*entries, entry("quality")]) is not None


def test_a_conjunction_holds_since_its_last_part() -> None:
    entries = [entry("drift", 5), entry("estimate", 9), entry("performance", 20)]
    for text, since in (("drift and estimated", 9), ("drift or performance", 5), ("performance", 20)):
        found = parse_expression(text).support(entries)
        assert found is not None
        assert found.since == since


LIMITS = Guardrails(cooldown=DAY, max_per_day=2, max_per_30d=3, cost_per_run=10, monthly_budget=25, holds_for=HOUR,
                    clean_for=HOUR, blackouts=(Blackout(begin=480, end=490),))  # fmt: skip
FINE = Situation(now=NOW + HOUR, facts=GOOD, holding_since=NOW - DAY)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"pauses": ("by ana: x",)}, "paused"),
        ({"faults": ("QualityProblem",)}, "fault"),
        ({"fault_at": NOW + HOUR - MINUTE}, "fault"),
        ({"fault_at": NOW}, None),
        ({"fault_at": NOW + DAY}, "fault"),
        ({"in_flight": ("abc",)}, "in_flight"),
        ({"past": (Past(NOW + HOUR - DAY + 1, 0),)}, "cooldown"),
        ({"past": (Past(NOW + HOUR - DAY, 0),)}, None),
        ({"past": (Past(NOW + DAY, 0),)}, "cooldown"),
        ({"past": tuple(Past(NOW - day * DAY, 0) for day in (2, 3, 4))}, "budget"),
        ({"past": tuple(Past(NOW - day * DAY, 0) for day in (2, 3, 31))}, None),
        ({"past": (Past(NOW - 2 * DAY, 15.1),)}, "budget"),
        ({"past": (Past(NOW - 2 * DAY, 15.0),)}, None),
        ({"facts": replace(GOOD, matured_labels=999)}, "labels"),
        ({"facts": replace(GOOD, matured_labels=None)}, "labels"),
        ({"labels_before": 9_001}, "labels"),
        ({"labels_before": 9_000}, None),
        ({"labels_before": 90_000}, "labels"),
        ({"facts": replace(GOOD, coverage=0.49)}, "coverage"),
        ({"facts": replace(GOOD, coverage=math.nan)}, "coverage"),
        ({"facts": replace(GOOD, coverage=0.5)}, None),
        ({"now": NOW + 5 * MINUTE}, "blackout"),
        ({"now": NOW + 10 * MINUTE}, None),
        ({"holding_since": NOW + MINUTE}, "too_short"),
        ({"holding_since": None}, None),
        ({"holding_since": NOW + DAY}, "too_short"),
    ],
)
def test_each_limit_at_its_border(changes: dict[str, object], reason: str | None) -> None:
    found = blocks(LIMITS, replace(FINE, **changes))  # type: ignore[arg-type]
    assert [block.reason for block in found] == ([] if reason is None else [reason])
    assert all(block.reason in REASONS and block.detail for block in found)


def test_two_in_a_day() -> None:
    limits = replace(LIMITS, cooldown=0, monthly_budget=None)
    twice = (Past(NOW, 0), Past(NOW - HOUR, 0))
    assert [block.reason for block in blocks(limits, replace(FINE, past=twice))] == ["budget"]
    assert blocks(limits, replace(FINE, past=twice[:1])) == ()


def test_what_is_looked_at_again_when_it_is_sent() -> None:
    everything = replace(
        FINE, now=NOW, pauses=("by ana",), faults=("X",), in_flight=("a",), past=(Past(NOW, 99),) * 9, facts=Facts(),
        holding_since=NOW,
    )  # fmt: skip
    assert {block.reason for block in blocks(LIMITS, everything)} == REASONS.keys() - {"policy_change"}
    assert [block.reason for block in standing_blocks(LIMITS, everything)] == ["paused", "fault", "blackout"]


@pytest.mark.parametrize(
    ("blackout", "inside", "outside"),
    [
        (Blackout(), [NOW, NOW + DAY], []),
        (Blackout(days=frozenset({4})), [NOW, NOW + 15 * HOUR], [NOW + 16 * HOUR, NOW - 9 * HOUR]),
        (Blackout(begin=22 * 60, end=6 * 60), [NOW + 14 * HOUR, NOW + 21 * HOUR], [NOW, NOW - 2 * HOUR]),
        (
            Blackout(days=frozenset({4}), begin=22 * 60, end=6 * 60),
            [NOW + 20 * HOUR],
            [NOW - 4 * HOUR, NOW + 44 * HOUR],
        ),
        (Blackout(first=date(2027, 1, 15), last=date(2027, 1, 15)), [NOW], [NOW + DAY, NOW - DAY]),
        (Blackout(begin=9 * 60, end=10 * 60, timezone="Europe/Berlin"), [NOW], [NOW + HOUR, NOW - MINUTE]),
    ],
)
def test_blackouts(blackout: Blackout, inside: list[int], outside: list[int]) -> None:
    assert [blackout.covers(at) for at in inside] == [True] * len(inside)
    assert [blackout.covers(at) for at in outside] == [False] * len(outside)


@pytest.mark.parametrize("changes", [{"days": frozenset()}, {"days": frozenset({7})}, {"begin": 1440}, {"end": -1},
                                     {"first": date(2027, 1, 2), "last": date(2027, 1, 1)}])  # fmt: skip
def test_what_is_no_blackout(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="blackout"):
        Blackout(**changes)  # type: ignore[arg-type]


def test_every_state_leads_to_an_end_and_only_known_steps_are_taken() -> None:
    ends = {state for state in STATES if not NEXT[state]}
    assert ends == {"done", "rejected"}
    for state in STATES:
        seen, ahead = set(), [state]
        while ahead:
            here = ahead.pop()
            seen.add(here)
            ahead += [each for each in NEXT[here] if each not in seen]
        assert seen & (ends | {"withdrawn"})
    assert not OPEN & ends
    proposal = Proposal("a", "m", "", "7", "e", "manual", "", "running", 0, 0, False, "ci", "{}")
    with pytest.raises(TransitionError):
        move(proposal, "requested", 1)
    assert move(proposal, "failed", 9, problem="x").since == 9


def test_names_fit_every_target() -> None:
    proposal = Proposal("a" * 32, "m", "", "7", "e", "manual", "", "running", 0, 0, False, "ci", "{}")
    assert 32 <= len(proposal.key) <= 63
    assert proposal.key.replace("-", "").isalnum()


def test_evidence_is_bounded_and_always_json() -> None:
    entries = [
        entry("drift", column=f"c{place}", statistic=math.inf, explanation="x" * 5_000, effect=math.nan, end=NOW)
        for place in range(500)
    ]
    facts = Facts(coverage=math.nan, changes=tuple(OwnChange(NOW, "y" * 5_000) for _ in range(100)))
    text = bundle(ModelPolicy("m"), facts, entries, NOW)
    document = json.loads(text, parse_constant=pytest.fail)
    assert len(text) < 45_000
    assert (len(document["alerts"]), document["alerts_left_out"]) == (SHOWN, 480)
    assert "statistic" not in document["alerts"][0]
    assert json.loads(bundle(ModelPolicy("m"), Facts(), (), NOW))["alerts_left_out"] == 0
