"""Every window statistic by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from detectors.chi2 import ChiSquare
from detectors.cramer_von_mises import CramerVonMises
from detectors.g_test import GTest
from detectors.hellinger import Hellinger
from detectors.jensen_shannon import JensenShannon
from detectors.ks import KolmogorovSmirnov
from detectors.l_infinity import LInfinity
from detectors.psi import PSI
from detectors.rate import Rate
from detectors.scores import WindowStatistic
from detectors.total_variation import TotalVariation
from detectors.wasserstein import Wasserstein


@dataclass(frozen=True, slots=True)
class Entry:
    """One statistic and what a user must know to choose it."""

    make: Callable[..., WindowStatistic]
    sees: str
    ordered: bool
    """Whether the order of the bins matters, so that it makes no sense for categories."""
    has_p_value: bool = True
    grows: bool = False
    """Whether the statistic grows with the number of rows, so that only its effect compares between windows."""
    fixed_bins: int | None = None
    """How many bins it takes; None for any number."""


STATISTICS: Final[dict[str, Entry]] = {
    "psi": Entry(PSI, "any change of shares, small ones in small bins most", ordered=False),
    "ks": Entry(KolmogorovSmirnov, "shifts of the middle; slow in the tails", ordered=True),
    "jensen_shannon": Entry(JensenShannon, "any change of shares, bounded by ln 2", ordered=False),
    "hellinger": Entry(Hellinger, "any change of shares, bounded by 1", ordered=False),
    "wasserstein": Entry(Wasserstein, "how far values moved; blind to small far groups", ordered=True),
    "chi2": Entry(ChiSquare, "any change of shares", ordered=False, grows=True),
    "g_test": Entry(GTest, "any change of shares, exact in the limit for sparse bins", ordered=False, grows=True),
    "total_variation": Entry(TotalVariation, "the share of rows that moved", ordered=False),
    "l_infinity": Entry(LInfinity, "the one bin that changed most; spikes", ordered=False),
    "cramer_von_mises": Entry(CramerVonMises, "shifts and spread over the whole range", True, grows=True),
    "rate": Entry(Rate, "the share of one kind of row", ordered=False, fixed_bins=2),
}


def statistic(kind: str, alpha: float = 0.01) -> WindowStatistic:
    """Return a statistic by name.

    Raises
    ------
    ValueError
        When there is none of this name.
    """
    if kind not in STATISTICS:
        raise ValueError(f"no statistic {kind!r}; there are {', '.join(sorted(STATISTICS))}")
    return STATISTICS[kind].make(alpha=alpha)
