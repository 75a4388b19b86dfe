"""What is said of a metric that is exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "summary", "info"]
Scope = Literal["service", "input", "model", "window", "feature", "outcome"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family.

    Parameters
    ----------
    name
        As it stands in queries, with ``_total`` and ``_info``, without ``_bucket``.
    labels
        Label names. A label whose value would be empty is left out.
    unit
        Base unit that the name carries, empty for statistics without one.
    export
        Word that switches the metric on in ``metrics.export``; empty when it is always exported.
    detector
        Detector whose statistic this is.
    buckets
        Upper bounds of a histogram, without infinity.
    bound_of
        The metric that this one is an end of the 95 % interval of.
    """

    name: str
    kind: Kind
    scope: Scope
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    export: str = ""
    detector: str = ""
    buckets: tuple[float, ...] = ()
    bound_of: str = ""

    @property
    def family(self) -> str:
        """The name without the suffix that its type adds.

        >>> Metric("driftline_records_total", "counter", "service", "Records read from the inputs.").family
        'driftline_records'
        """
        return self.name.removesuffix("_total").removesuffix("_info")
