"""Rows of our own and what NannyML, scikit-learn and statsmodels make of them, as one JSON file.

Runs in NannyML's environment, which holds all three. The rows are written beside the figures, as whole numbers: scores
in millionths, so that nothing depends on how a float is printed.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
import statsmodels.api as sm  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the same
from nannyml import CBPE  # type: ignore[import-not-found]  # the same
from nannyml.calibration import Calibrator, NoopCalibrator  # type: ignore[import-not-found]  # the same
from sklearn import metrics  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the same
from sklearn.calibration import calibration_curve  # type: ignore[import-not-found,import-untyped,unused-ignore]
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-not-found,import-untyped,unused-ignore]

MILLION = 1_000_000
WINDOWS = 3
BINARY = ["accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "average_precision"]


class Steps(Calibrator):  # type: ignore[misc]  # the peer has no types
    """A calibrator that is given, not fitted: right-closed bins with a probability each."""

    def __init__(self, edges: list[float], probabilities: list[float]) -> None:
        self.edges, self.probabilities = np.array(edges), np.array(probabilities)

    def fit(self, *_: Any, **__: Any) -> None:
        """Leave everything as given."""

    def calibrate(self, y_pred_proba: Any, *_: Any, **__: Any) -> Any:
        """Return the probability of each score's bin."""
        return self.probabilities[np.searchsorted(self.edges, np.asarray(y_pred_proba), side="left")]


def binary(rng: np.random.Generator) -> dict[str, Any]:
    """Return rows of a binary model that is too sure of itself, with CBPE's figures for each window."""
    size = 1500
    logit = rng.normal(-0.7, 1.6, 2 * size)
    score = np.round(MILLION / (1 + np.exp(-logit))).astype(int).clip(1, MILLION - 1)
    label = (rng.random(2 * size) < 1 / (1 + np.exp(0.4 - 0.6 * logit))).astype(int)
    edges = [round(0.04 * place, 2) for place in range(1, 25)]
    centre = (np.array([0.0, *edges]) + np.array([*edges, 1.0])) / 2
    probabilities = (1 / (1 + np.exp(0.4 - 0.6 * np.log(centre / (1 - centre))))).round(6).tolist()
    frame = pd.DataFrame({"p": score / MILLION, "y": label})
    frame["flag"] = (frame["p"] > 0.6).astype(int)
    estimator = CBPE(
        y_pred_proba="p", y_pred="flag", y_true="y", problem_type="classification_binary",
        metrics=[*BINARY, "confusion_matrix"], chunk_size=size // WINDOWS, calibrator=Steps(edges, probabilities),
    ).fit(frame.iloc[:size])  # fmt: skip
    assert estimator.needs_calibration
    found = estimator.estimate(frame.iloc[size:].reset_index(drop=True)).filter(period="analysis").to_df()
    cells = ["true_positive", "false_positive", "false_negative", "true_negative"]
    return {
        "score": score[size:].tolist(),
        "label": label[size:].tolist(),
        "threshold": 0.6,
        "edges": edges,
        "probabilities": probabilities,
        "window": size // WINDOWS,
        "nannyml": {name: found[name]["value"].tolist() for name in [*BINARY, *cells]},
        **classical(frame.iloc[size:]),
    }


def classical(frame: Any) -> dict[str, Any]:
    """Return what scikit-learn and statsmodels say of labelled rows."""
    p, y = frame["p"].to_numpy(), frame["y"].to_numpy()
    curves = {}
    for strategy in ("uniform", "quantile"):
        rate, mean = calibration_curve(y, p, n_bins=10, strategy=strategy)
        curves[strategy] = {"rate": rate.tolist(), "mean": mean.tolist()}
    logistic = sm.Logit(y, sm.add_constant(np.log(p / (1 - p)))).fit(disp=False, tol=1e-12)
    tenths = np.searchsorted(np.arange(1, 20) / 20, p, side="left")
    rows = np.bincount(tenths, minlength=20)
    rate = np.bincount(tenths, y, 20) / rows
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(np.arange(20), rate, sample_weight=rows)
    return {
        "sklearn": {
            "brier": metrics.brier_score_loss(y, p),
            "log_loss": metrics.log_loss(y, p),
            "curves": curves,
            "isotonic": isotonic.predict(np.arange(20)).tolist(),
        },
        "statsmodels": {"fit": logistic.params.tolist(), "error": logistic.bse.tolist()},
    }


def multiclass(rng: np.random.Generator) -> dict[str, Any]:
    """Return rows of three classes with scores in twentieths that add up to 1, and CBPE's figures."""
    size, names = 1200, ["a", "b", "c"]
    parts = rng.multinomial(20, [1 / 3] * 3, 2 * size)
    parts = np.where(rng.random((2 * size, 1)) < 0.5, parts, rng.multinomial(20, [0.6, 0.3, 0.1], 2 * size))
    order = rng.permuted(np.tile(np.arange(3), (2 * size, 1)), axis=1)
    parts = np.take_along_axis(parts, order, axis=1)
    chances = parts / 20
    label = (rng.random((2 * size, 1)) > np.cumsum(chances, axis=1)[:, :2]).sum(axis=1)
    predicted = np.where(rng.random(2 * size) < 0.9, parts.argmax(axis=1), rng.integers(0, 3, 2 * size))
    frame = pd.DataFrame({f"p_{name}": chances[:, place] for place, name in enumerate(names)})
    frame["y"], frame["predicted"] = np.array(names)[label], np.array(names)[predicted]
    estimator = CBPE(
        y_pred_proba={name: f"p_{name}" for name in names}, y_pred="predicted", y_true="y",
        problem_type="classification_multiclass", metrics=[*BINARY, "confusion_matrix"],
        chunk_size=size // WINDOWS, calibrator=NoopCalibrator(),
    ).fit(frame.iloc[:size])  # fmt: skip
    found = estimator.estimate(frame.iloc[size:].reset_index(drop=True)).filter(period="analysis").to_df()
    confusion = {
        f"{true}{guess}": found[f"true_{true}_pred_{guess}"]["value"].tolist() for true in names for guess in names
    }
    return {
        "parts": parts[size:].tolist(),
        "predicted": predicted[size:].tolist(),
        "label": label[size:].tolist(),
        "window": size // WINDOWS,
        "nannyml": {name: found[name]["value"].tolist() for name in BINARY},
        "confusion": confusion,
    }


def main() -> None:
    """Write the file that the command line names."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(7)
    packages = ("nannyml", "scikit-learn", "statsmodels")
    result = {
        "versions": {package: version(package) for package in packages},
        "binary": binary(rng),
        "multiclass": multiclass(rng),
    }
    Path(sys.argv[1]).write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
