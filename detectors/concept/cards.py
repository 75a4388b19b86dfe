"""What each kind of detector is good for, and how it behaved in simulations at its defaults.

The figures are those of ``python -m benchmarks.concept``: independent errors, 100 seeded streams a figure (20 for
KSWIN), 20,000 rows without a change, or 2,000 rows at an error rate of .2 and 6,000 at another. They are measured, not
promised: none of these detectors has a bound on false alarms that holds over time, and EDDM alarms less often the
longer it has run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Measured:
    """Behaviour on independent errors."""

    false_alarms_at_02: float
    """Drifts in 100,000 rows without any, at an error rate of .02; 0 means none in all streams."""
    false_alarms_at_20: float
    """The same at .2."""
    delay_to_30: float
    """Rows from a change of the rate from .2 to .3 to its alarm, on average over the streams where it came."""
    missed_to_30: float
    """Share of streams where it did not come within 6,000 rows."""
    delay_to_50: float
    missed_to_50: float
    """The same for a change from .2 to .5."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a user must know to choose a detector."""

    sees: str
    beware: str
    measured: Measured


CARDS: Final[dict[str, Card]] = {
    "adwin": Card(
        "any lasting change of the mean, up or down",
        "slow for small changes; values must lie between 0 and 1; forgets all it learnt at each alarm",
        Measured(0.0, 0.0, 593, 0.0, 89, 0.0),
    ),
    "page_hinkley": Card(
        "a change of the mean once the excess of errors over it adds up to the threshold, up or down",
        "alarms without a change at error rates around one half, and on losses with a long tail; threshold and delta"
        " have the unit of the values",
        Measured(0.0, 4.3, 486, 0.0, 150, 0.0),
    ),
    "ddm": Card(
        "a rise of the error rate above its best",
        "the longer without a change, the later: at 100,000 rows half of the changes to .3 are not found within 20,000;"
        " blind until 30 errors have been seen",
        Measured(0.75, 1.2, 666, 0.0, 144, 0.0),
    ),
    "eddm": Card(
        "errors that come closer together, slowly",
        "alarms often without any change; also when errors become regular",
        Measured(43, 127, 194, 0.0, 68, 0.0),
    ),
    "hddm_a": Card(
        "a rise of the error rate above its lowest mean; with two_sided_test falls, too",
        "three times as late after 100,000 rows as after 2,000",
        Measured(0.0, 0.5, 464, 0.0, 60, 0.0),
    ),
    "hddm_w": Card(
        "a sudden rise of the error rate; with two_sided_test falls, too",
        "alarms without a change at error rates around one half: 84 times in 100,000 rows at .5",
        Measured(0.0, 7.2, 442, 0.0, 32, 0.0),
    ),
    "kswin": Card(
        "a change of the whole distribution of losses, spread included",
        "all but blind to error bits; on losses 130 alarms in 100,000 rows without a change, for every row is a test;"
        " many times slower than the others",
        Measured(0.0, 0.75, 3077, 0.75, 637, 0.1),
    ),
    "fhddm": Card(
        "a sudden rise of the error rate above that of its best window",
        "small changes hide in the noise of a window; alarms without a change at error rates around one half",
        Measured(0.0, 2.5, 560, 0.0, 56, 0.0),
    ),
}
