"""What each statistic of a window is good for, what it misses and what it costs.

Costs are processor time a column on one core of an AMD EPYC: 256 bins, 100,000 rows of reference, 5,000 of the window,
twenty columns at once, p-value, interval and noise band included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WindowCard:
    """What a user must know to choose a statistic, beside what it sees (``detectors.registry``)."""

    misses: str
    micros: int
    """Microseconds a column."""
    paper: str


_QUADRATIC: Final = "where values went: neighbouring bins count like far ones"
CARDS: Final[dict[str, WindowCard]] = {
    "psi": WindowCard(_QUADRATIC, 40, "Jeffreys (1946); Potgieter and others (arXiv 2307.11878)"),
    "ks": WindowCard(
        "changes of the tails, and changes that cancel below and above", 50,
        "Kolmogorov (1933); Smirnov (1939); Marsaglia, Tsang and Wang (2003)",
    ),
    "jensen_shannon": WindowCard(_QUADRATIC, 40, "Lin (1991), Divergence measures based on the Shannon entropy"),
    "hellinger": WindowCard(_QUADRATIC, 65, "Hellinger (1909)"),
    "wasserstein": WindowCard(
        "a small group that changes within a wide range; its unit is the column's", 140,
        "Vallender (1974)",
    ),
    "chi2": WindowCard("how large a change is: it grows with the rows, see the effect", 40, "Pearson (1900)"),
    "g_test": WindowCard("how large a change is: it grows with the rows, see the effect", 70, "Wilks (1938)"),
    "total_variation": WindowCard("whether many bins changed a little or one a lot", 1200,
                                  "Levin and Peres (2017), Markov Chains and Mixing Times, chapter 4"),
    "l_infinity": WindowCard("changes that spread over many bins", 2600, "Breck and others (2019), Data validation for "
                                                                         "machine learning"),
    "cramer_von_mises": WindowCard(
        "changes within one of the 32 merged bins", 1900, "Cramér (1928); von Mises (1931); Anderson (1962)"
    ),
    "rate": WindowCard("everything but the one share that it watches", 30, "Wilson (1927); Newcombe (1998)"),
}  # fmt: skip
