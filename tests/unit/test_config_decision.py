"""The operating threshold."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.config.decision import Decision


@pytest.mark.parametrize(
    ("text", "op", "threshold"),
    [
        ("score >= 0.92", ">=", 0.92),
        ("score>0", ">", 0.0),
        ("  score <= -1.5e-3 ", "<=", -1.5e-3),
        ("score < .5", "<", 0.5),
        ("score < 5.", "<", 5.0),
    ],
)
def test_forms(text: str, op: str, threshold: float) -> None:
    decision = Decision.parse(text)
    assert (decision.op, decision.threshold) == (op, threshold)
    assert Decision.parse(str(decision)) == decision


@pytest.mark.parametrize(
    "text",
    ["", "score", "score >=", "score = 1", "score == 1", "scores > 1", "score > nan", "score > inf", "score > 1e999",
     "0.5 < score", "score > 0.5 or 1", "score > 0x1", "score => 1"],
)  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a decision"):
        Decision.parse(text)


@pytest.mark.parametrize(
    ("op", "expected"),
    [(">=", [0, 1, 1, 0, 1, 0]), (">", [0, 0, 1, 0, 1, 0]), ("<=", [1, 1, 0, 0, 0, 1]), ("<", [1, 0, 0, 0, 0, 1])],
)
def test_flags(op: str, expected: list[int]) -> None:
    scores = np.array([0.1, 0.5, 0.9, np.nan, np.inf, -np.inf])
    flagged = Decision.parse(f"score {op} 0.5").flagged(scores)
    assert flagged.dtype == np.bool_
    assert flagged.tolist() == [bool(flag) for flag in expected]


def test_no_rows() -> None:
    assert Decision.parse("score > 0").flagged(np.empty(0)).shape == (0,)
