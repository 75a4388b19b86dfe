"""What the service knows of a model beside its alerts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OwnChange:
    """Something that the operator changed: a deploy, the decision threshold, a reference, what is accepted."""

    at: int
    """Event time in microseconds."""
    what: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The latest of one model. What is not known is left as it is here, and guardrails that need it then hold.

    Parameters
    ----------
    version
        The version that most of the latest predictions carry.
    rows
        Version → predictions in the latest windows.
    matured_labels
        Predictions that were judged by their label since counting began; it never falls.
    coverage
        Share of the mature predictions that have a label, 0 to 1.
    references
        Version → identity of the reference that it is compared with.
    at
        The latest event time, microseconds.
    terms
        Identity of the operator's own settings of the model, such as the decision threshold.
    changes
        What the operator changed lately, beside a new version or new settings, which are noticed here.
    shadow
        Whether the model's alerts are on trial; its proposals are then dry runs.
    """

    version: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    matured_labels: int | None = None
    coverage: float = math.nan
    references: Mapping[str, str] = field(default_factory=dict)
    at: int | None = None
    terms: str = ""
    changes: tuple[OwnChange, ...] = ()
    shadow: bool = False


NOTHING_KNOWN = Facts()
