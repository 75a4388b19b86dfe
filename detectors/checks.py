"""Laws that every window statistic keeps, as library code: run them over a new one before it is registered.

Each check takes an entry of the registry and raises ``BrokenLawError`` when its law does not hold.

Examples
--------
>>> from detectors.registry import STATISTICS
>>> for check in CHECKS:
...     check(STATISTICS["psi"])
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Final, TypeAlias

import numpy as np

from detectors.registry import Entry
from detectors.samples import FloatArray, IntArray
from detectors.scores import Scores

Check: TypeAlias = Callable[[Entry], None]

_HUGE: Final = 10**12
_ALPHAS: Final = (0.2, 0.05, 0.01, 0.001)


class BrokenLawError(AssertionError):
    """A statistic does not keep a law that all must keep."""


def check_equal_counts_are_no_drift(entry: Entry) -> None:
    """Give equal shares 0 but for rounding, an effect not above it, a p-value that does not speak of drift."""
    counts = 10_000 * (1 + np.arange(_bins(entry), dtype=np.int64))[np.newaxis, :]
    for reference, window in ((counts, counts), (counts, 3 * counts), (_HUGE * counts, _HUGE * counts)):
        scores = _score(entry, reference, window)
        rows = float(window.sum()) if entry.grows else 1.0
        _require(scores.statistic[0] <= 1e-12 * max(rows, 1.0) + 1e-9, "equal shares differ", scores)
        _require(scores.effect[0] <= scores.statistic[0] + 1e-12, "the effect is above the statistic", scores)
        _require(not scores.p_value[0] < 0.5, "equal shares are significant", scores)
        _require(scores.statistic[0] <= scores.threshold[0], "equal shares leave the noise band", scores)
        _require(scores.low[0] <= 1e-9, "the interval excludes no drift", scores)


def check_monitors_do_not_mix(entry: Entry) -> None:
    """Give the same scores for monitors in another order, in that order, and for each monitor alone."""
    reference, window = _mixed(entry)
    scores = _score(entry, reference, window)
    order = np.random.default_rng(2).permutation(len(window))
    shuffled = _score(entry, reference[order], window[order])
    for field in fields(Scores):
        whole = getattr(scores, field.name)
        _require(_close(getattr(shuffled, field.name), whole[order]), f"{field.name} depends on the order", scores)
    for place in range(len(window)):
        alone = _score(entry, reference[place : place + 1], window[place : place + 1])
        for field in fields(Scores):
            same = _close(getattr(alone, field.name), getattr(scores.take(place), field.name))
            _require(same, f"{field.name} of monitor {place} depends on its neighbours", scores)


def check_empty_is_not_zero(entry: Entry) -> None:
    """Give NaN for every figure of an empty reference or window, the true number of rows and no direction."""
    full = 10 * np.ones((1, _bins(entry)), np.int64)
    none = np.zeros_like(full)
    for reference, window in ((none, full), (full, none), (none, none)):
        scores = _score(entry, reference, window)
        for name, figure in _figures(scores).items():
            _require(bool(np.isnan(figure[0])), f"{name} of an empty sample is a number", scores)
        _require(scores.n[0] == window.sum() and scores.direction[0] == 0, "an empty sample has rows", scores)
    nobody = _score(entry, none[:0], none[:0])
    _require(all(len(figure) == 0 for figure in _figures(nobody).values()), "no monitors have scores", nobody)


def check_one_bin_never_drifts(entry: Entry) -> None:
    """Give 0, and p = 1, for a single bin and for all rows of both samples in one bin of many: they cannot differ."""
    bins = _bins(entry)
    shapes = (
        [np.eye(bins, dtype=np.int64)] if entry.fixed_bins else [np.eye(bins, dtype=np.int64), np.ones((1, 1), int)]
    )
    for shape in shapes:
        scores = _score(entry, 500 * shape, 70 * shape)
        _require(bool(np.all(np.abs(scores.statistic) <= 1e-9)), "one bin differs from itself", scores)
        _require(not np.any(scores.p_value < 1), "one bin is significant", scores)
        _require(bool(np.all(scores.direction == 0)), "one bin moved", scores)
        _require_sane(scores)


def check_disjoint_samples_drift(entry: Entry) -> None:
    """Find samples with no bin in common, however few bins there are and however many rows."""
    for bins in {2, _bins(entry)}:
        reference, window = np.zeros((2, bins), np.int64), np.zeros((2, bins), np.int64)
        reference[:, 0], window[:, -1] = (4000, _HUGE), (3000, _HUGE)
        scores = _score(entry, reference, window)
        _require_sane(scores)
        _require(bool(np.all(scores.statistic > scores.threshold)), "disjoint samples are in the noise band", scores)
        _require(not np.any(scores.p_value > 1e-6), "disjoint samples are not significant", scores)
        _require(bool(np.all(scores.direction == 1)), "the direction is wrong", scores)


def check_figures_are_sane(entry: Entry) -> None:
    """Keep any figures, of huge counts too, finite, low ≤ high, threshold and statistic ≥ 0, p between 0 and 1."""
    reference, window = _mixed(entry)
    for scale in (1, _HUGE):
        _require_sane(_score(entry, scale * reference, window))
        _require_sane(_score(entry, reference, scale * window))
        _require_sane(_score(entry, scale * reference, scale * window))


def check_threshold_falls_with_alpha(entry: Entry) -> None:
    """Widen the noise band with a stricter level, and change nothing else."""
    reference, window = _mixed(entry)
    bands = [_score(entry, reference, window, alpha) for alpha in _ALPHAS]
    for wide, narrow in zip(bands[1:], bands[:-1], strict=True):
        _require(bool(np.all(wide.threshold >= narrow.threshold)), "a stricter level has a narrower band", wide)
        _require(_close(wide.p_value, narrow.p_value), "the p-value depends on the level", wide)
        _require(_close(wide.effect, narrow.effect), "the effect depends on the level", wide)


def check_p_value_and_threshold_agree(entry: Entry) -> None:
    """Put a statistic whose p is far below alpha above the noise band."""
    if not entry.has_p_value:
        return
    reference, window = _mixed(entry)
    scores = _score(entry, reference, window)
    far = scores.p_value < 1e-6
    _require(bool(np.all(scores.statistic[far] > scores.threshold[far])), "significant, but in the noise band", scores)


def check_inputs_stay(entry: Entry) -> None:
    """Read the counts only: they may be views of a state that lives on."""
    reference, window = _mixed(entry)
    before = reference.copy(), window.copy()
    for counts in (reference, window):
        counts.flags.writeable = False
    scores = _score(entry, reference, window)
    _require(np.array_equal(reference, before[0]) and np.array_equal(window, before[1]), "inputs changed", scores)


def check_bin_order(entry: Entry) -> None:
    """Give the same figures in any order of bins that have no order."""
    if entry.ordered:
        return
    reference, window = _mixed(entry)
    order = np.random.default_rng(3).permutation(reference.shape[1])
    scores, shuffled = _score(entry, reference, window), _score(entry, reference[:, order], window[:, order])
    other = _figures(shuffled)
    for name, figure in _figures(scores).items():
        _require(_close(figure, other[name]), f"{name} depends on the order of the bins", scores)


def check_unused_bins_change_nothing(entry: Entry) -> None:
    """Give the same figures with more bins that no sample uses, where bins have no order."""
    if entry.ordered or entry.fixed_bins is not None:
        return
    counts = _mixed(entry)
    wider = [np.pad(part, ((0, 0), (0, 9))) for part in counts]
    scores, other = _score(entry, *counts), _figures(_score(entry, wider[0], wider[1]))
    for name, figure in _figures(scores).items():
        _require(_close(figure, other[name]), f"{name} depends on bins that nobody uses", scores)


def check_samples_change_places(entry: Entry) -> None:
    """Give the same distance and the opposite direction when reference and window change places."""
    reference, window = _mixed(entry)
    scores, swapped = _score(entry, reference, window), _score(entry, window, reference)
    _require(_close(scores.statistic, swapped.statistic), "the statistic is not symmetric", scores)
    _require(_close(scores.p_value, swapped.p_value), "the p-value is not symmetric", scores)
    _require(np.array_equal(scores.direction, -swapped.direction), "the direction does not turn", scores)


def check_wrong_counts_are_refused(entry: Entry) -> None:
    """Refuse shapes that do not compare and negative counts with a ``ValueError``."""
    good = np.ones((2, _bins(entry)), np.int64)
    for reference, window in ((good, good[:1]), (good[0], good[0]), (good, -good), (-good, good)):
        try:
            scores = _score(entry, reference, window)
        except ValueError:
            continue
        _require(False, "wrong counts were scored", scores)


CHECKS: Final[tuple[Check, ...]] = (
    check_equal_counts_are_no_drift,
    check_monitors_do_not_mix,
    check_empty_is_not_zero,
    check_one_bin_never_drifts,
    check_disjoint_samples_drift,
    check_figures_are_sane,
    check_threshold_falls_with_alpha,
    check_p_value_and_threshold_agree,
    check_inputs_stay,
    check_bin_order,
    check_unused_bins_change_nothing,
    check_samples_change_places,
    check_wrong_counts_are_refused,
)


def _bins(entry: Entry) -> int:
    return entry.fixed_bins or 7


def _mixed(entry: Entry) -> tuple[IntArray, IntArray]:
    """Return counts of monitors that differ little, much, hold empty bins, few rows or many."""
    rng = np.random.default_rng(1)
    bins = _bins(entry)
    shares, others = rng.dirichlet(np.ones(bins), size=(2, 12))
    others[::2] = shares[::2]
    rows = 10 ** (np.arange(12) // 2 % 5)
    return rng.multinomial(20 * rows, shares), rng.multinomial(rows, others)


def _score(entry: Entry, reference: IntArray, window: IntArray, alpha: float = 0.01) -> Scores:
    """Score with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return entry.make(alpha=alpha).score(reference, window)


def _figures(scores: Scores) -> dict[str, FloatArray]:
    names = ("statistic", "effect", "low", "high", "p_value", "threshold")
    return {name: getattr(scores, name) for name in names}


def _require_sane(scores: Scores) -> None:
    for name, figure in _figures(scores).items():
        known = bool(np.all(np.isfinite(figure))) or (name == "p_value" and bool(np.all(np.isnan(figure))))
        _require(known, f"{name} is not finite", scores)
    _require(bool(np.all(scores.low <= scores.high)), "the interval is upside down", scores)
    _require(bool(np.all(scores.threshold >= 0)), "the noise band is negative", scores)
    _require(bool(np.all(scores.statistic >= 0)), "the statistic is negative", scores)
    _require(not np.any((scores.p_value < 0) | (scores.p_value > 1)), "p is no probability", scores)


def _close(one: FloatArray, other: FloatArray) -> bool:
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True))


def _require(holds: object, law: str, scores: Scores) -> None:
    if not holds:
        raise BrokenLawError(f"{law}: {scores}")
