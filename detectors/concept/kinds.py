"""The kinds of detectors: what each is made of and which parameters it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from river import drift

from detectors.concept.adwin import ADWIN
from detectors.concept.ddm import DDM
from detectors.concept.eddm import EDDM
from detectors.concept.fhddm import FHDDM
from detectors.concept.hddm_a import HDDMA
from detectors.concept.hddm_w import HDDMW
from detectors.concept.kernel import Kernel
from detectors.concept.kswin import KSWIN
from detectors.concept.page_hinkley import PageHinkley
from detectors.concept.ranges import Allowed, NotAbove, Number, OneOf, Value, Whole

_SHARE: Final = Number(0, 1, open_low=True, open_high=True)
_ROWS: Final = Whole(0, 10**9)
_FACTOR: Final = Number(1, 1e6)
_SIZE: Final = Number(0, 1e15)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of detector."""

    make: Callable[..., Kernel]
    river: type[Any]
    """River's class; its constructor names the parameters and gives their defaults."""
    bits: bool
    """Whether it takes errors (1) and successes (0) only; others take losses, too."""
    warns: bool
    """Whether it has a warning level."""
    ranges: Mapping[str, Allowed]
    relations: tuple[NotAbove, ...] = ()
    defaults: Mapping[str, Value] = field(default_factory=dict)
    """Ours, where River's default cannot be used."""


KINDS: Final[dict[str, Kind]] = {
    "adwin": Kind(
        ADWIN,
        drift.ADWIN,
        bits=False,
        warns=False,
        ranges={
            "delta": _SHARE,
            "clock": Whole(1, 10**6),
            "max_buckets": Whole(1, 1000),
            "min_window_length": Whole(1, 10**6),
            "grace_period": _ROWS,
        },
    ),
    "page_hinkley": Kind(
        PageHinkley,
        drift.PageHinkley,
        bits=False,
        warns=False,
        ranges={
            "min_instances": _ROWS,
            "delta": _SIZE,
            "threshold": _SIZE,
            "alpha": Number(0, 1, open_low=True),
            "mode": OneOf(("up", "down", "both")),
        },
    ),
    "ddm": Kind(
        DDM,
        drift.binary.DDM,
        bits=True,
        warns=True,
        ranges={"warm_start": _ROWS, "warning_threshold": _FACTOR, "drift_threshold": _FACTOR},
        relations=(NotAbove("warning_threshold", "drift_threshold"),),
    ),
    "eddm": Kind(
        EDDM,
        drift.binary.EDDM,
        bits=True,
        warns=True,
        ranges={"warm_start": _ROWS, "alpha": _SHARE, "beta": _SHARE},
        relations=(NotAbove("beta", "alpha"),),
    ),
    "hddm_a": Kind(
        HDDMA,
        drift.binary.HDDMA,
        bits=True,
        warns=True,
        ranges={"drift_confidence": _SHARE, "warning_confidence": _SHARE, "two_sided_test": OneOf((True, False))},
        relations=(NotAbove("drift_confidence", "warning_confidence"),),
    ),
    "hddm_w": Kind(
        HDDMW,
        drift.binary.HDDMW,
        bits=True,
        warns=True,
        ranges={
            "drift_confidence": _SHARE,
            "warning_confidence": _SHARE,
            "lambda_val": _SHARE,
            "two_sided_test": OneOf((True, False)),
        },
        relations=(NotAbove("drift_confidence", "warning_confidence"),),
    ),
    "kswin": Kind(
        KSWIN,
        drift.KSWIN,
        bits=False,
        warns=False,
        ranges={
            "alpha": _SHARE,
            "window_size": Whole(2, 10_000),
            "stat_size": Whole(1, 5_000),
            "seed": Whole(0, 2**63 - 1),
        },
        relations=(NotAbove("stat_size", "window_size", times=2),),
        defaults={"seed": 1},
    ),
    "fhddm": Kind(
        FHDDM,
        drift.binary.FHDDM,
        bits=True,
        warns=False,
        ranges={
            "sliding_window_size": Whole(1, 100_000),
            "confidence_level": _SHARE,
            "short_window_size": Whole(1, 100_000, optional=True),
        },
        relations=(NotAbove("short_window_size", "sliding_window_size"),),
    ),
}
"""By the name that configuration has for it."""
