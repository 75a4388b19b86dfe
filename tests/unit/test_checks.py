"""Every registered statistic keeps the laws, and the laws catch statistics that do not."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from detectors.checks import (
    CHECKS,
    BrokenLawError,
    Check,
    check_bin_order,
    check_disjoint_samples_drift,
    check_empty_is_not_zero,
    check_equal_counts_are_no_drift,
    check_figures_are_sane,
    check_inputs_stay,
    check_monitors_do_not_mix,
    check_one_bin_never_drifts,
    check_p_value_and_threshold_agree,
    check_samples_change_places,
    check_threshold_falls_with_alpha,
    check_unused_bins_change_nothing,
    check_wrong_counts_are_refused,
)
from detectors.chi2 import ChiSquare
from detectors.psi import PSI
from detectors.registry import STATISTICS, Entry, statistic
from detectors.samples import IntArray
from detectors.scores import Scores


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", STATISTICS)
def test_every_statistic_keeps_every_law(name: str, check: Check) -> None:
    check(STATISTICS[name])


@dataclass(frozen=True)
class Mutant:
    """The chi-square test, spoilt."""

    spoil: Callable[[IntArray, IntArray, float], Scores]
    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        return self.spoil(reference, window, self.alpha)


def _plain(reference: IntArray, window: IntArray, alpha: float) -> Scores:
    return ChiSquare(alpha).score(reference, window)


def _of_all_bins(r: IntArray, w: IntArray, alpha: float) -> Scores:
    scores = _plain(r, w, alpha)
    return replace(scores, effect=scores.effect - r.shape[1])


def _negative_window(r: IntArray, w: IntArray, alpha: float) -> Scores:
    return _plain(np.abs(r), np.abs(w), alpha)


def _zero_when_empty(r: IntArray, w: IntArray, alpha: float) -> Scores:
    scores = _plain(r, w, alpha)
    return replace(scores, statistic=np.nan_to_num(scores.statistic))


def _mixing(r: IntArray, w: IntArray, alpha: float) -> Scores:
    scores = _plain(r, w, alpha)
    return replace(scores, effect=scores.effect - np.nanmean(scores.effect))


def _writing(r: IntArray, w: IntArray, alpha: float) -> Scores:
    scores = _plain(r, w, alpha)
    window = w.view()
    window.flags.writeable = True
    window += 1
    return scores


def _scaled(**factors: float) -> Callable[[IntArray, IntArray, float], Scores]:
    def spoil(r: IntArray, w: IntArray, alpha: float) -> Scores:
        scores = _plain(r, w, alpha)
        return replace(scores, **{name: getattr(scores, name) * factor for name, factor in factors.items()})

    return spoil


def _weighted(r: IntArray, w: IntArray, alpha: float) -> Scores:
    return _plain(r * (1 + np.arange(r.shape[1])), w * (1 + np.arange(r.shape[1])), alpha)


def _same_band(r: IntArray, w: IntArray, alpha: float) -> Scores:
    return replace(_plain(r, w, 0.01), threshold=_plain(r, w, 0.01).threshold * alpha)


def _shifted(r: IntArray, w: IntArray, alpha: float) -> Scores:
    scores = _plain(r, w, alpha)
    return replace(scores, statistic=scores.statistic + 1.0)


def _one_sided(r: IntArray, w: IntArray, alpha: float) -> Scores:
    return replace(_plain(r, w, alpha), direction=np.ones(len(r), np.int8))


def _textbook_psi(r: IntArray, w: IntArray, alpha: float) -> Scores:
    return PSI(alpha, pseudo_count=0).score(r, w)


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        (check_equal_counts_are_no_drift, _shifted),
        (check_monitors_do_not_mix, _mixing),
        (check_empty_is_not_zero, _zero_when_empty),
        (check_one_bin_never_drifts, _shifted),
        (check_disjoint_samples_drift, _scaled(statistic=1e-20)),
        (check_figures_are_sane, _scaled(low=100.0)),
        (check_figures_are_sane, _scaled(threshold=-1.0)),
        (check_figures_are_sane, _textbook_psi),
        (check_threshold_falls_with_alpha, _same_band),
        (check_p_value_and_threshold_agree, _scaled(threshold=1e9)),
        (check_inputs_stay, _writing),
        (check_bin_order, _weighted),
        (check_unused_bins_change_nothing, _of_all_bins),
        (check_samples_change_places, _one_sided),
        (check_wrong_counts_are_refused, _negative_window),
    ],
)
def test_a_spoilt_statistic_fails_its_check(check: Check, spoil: Callable[[IntArray, IntArray, float], Scores]) -> None:
    def make(alpha: float) -> Mutant:
        return Mutant(spoil, alpha)

    check(Entry(lambda alpha: Mutant(_plain, alpha), "any change", ordered=False, grows=True))
    with pytest.raises((BrokenLawError, ValueError)):
        check(Entry(make, "any change", ordered=False, grows=True))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="jensen_shannon"):
        statistic("psi2")
    assert statistic("psi", alpha=0.2).alpha == 0.2
