"""When the calibration error is in drift: beyond the bound, and surely beyond chance."""

from __future__ import annotations

from unittest.mock import sentinel

import numpy as np
import pytest

from detectors.calibration.figure import figure_of
from monitor.config.model import ModelConfig
from monitor.outcomes.figures import Calibration
from monitor.outcomes.judging import calibration_findings

LIMITED: dict[str, object] = {"calibration": {"alert_ece": 0.05}}


def status(settings: dict[str, object], ece: tuple[float, float, float], chance: float, rows: int) -> str:
    config = ModelConfig.model_validate({"name": "m", "predictions": {"topic": "t"}, **settings})
    n = np.array([float(rows)])
    value, low, high = (np.array([figure]) for figure in ece)
    figures = {
        "ece": figure_of(value, low, high, n),
        "ece_of_chance": figure_of(np.array([chance / 2]), np.array([0.0]), np.array([chance]), n),
    }
    found = Calibration(figures, sentinel.diagram, np.array([np.nan]))
    return next(iter(calibration_findings(found, config, 0))).status


@pytest.mark.parametrize(
    ("ece", "chance", "expected"),
    [
        ((0.0588, 0.0043, 0.0846), 0.0574, "ok"),  # early labels: beyond chance by the point, not by the interval
        ((0.0767, 0.0372, 0.0948), 0.0330, "drift"),
        ((0.0450, 0.0372, 0.0540), 0.0330, "ok"),  # surely there, and tolerated
        ((0.2000, 0.1500, 0.2500), 0.1600, "ok"),
    ],
)
def test_drift_is_beyond_the_bound_and_with_its_interval_beyond_chance(
    ece: tuple[float, float, float], chance: float, expected: str
) -> None:
    assert status(LIMITED, ece, chance, 845) == expected


def test_without_a_bound_what_is_surely_there_warns() -> None:
    assert status({}, (0.0450, 0.0372, 0.0540), 0.0330, 845) == "warn"
    assert status({}, (0.0450, 0.0300, 0.0540), 0.0330, 845) == "ok"


def test_few_labels_say_nothing() -> None:
    assert status(LIMITED, (0.5, 0.4, 0.6), 0.1, 3) == "insufficient"
