"""The cells of ``cells.toml``, checked."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.detection.laws import Course, Law, law_of

CELLS: Final = Path(__file__).with_name("cells.toml")
MOST: Final = 60


@dataclass(frozen=True, slots=True)
class Protocol:
    """What all cells share; see the file."""

    before: int
    after: int
    patience: float
    monitors: int
    days: int
    budget_hours: float
    share: float

    @property
    def shipped(self) -> float:
        """Patience of the fleet of inputs at shipped defaults, in windows of an hour."""
        return self.budget_hours / self.share


@dataclass(frozen=True, slots=True)
class Cell:
    """One drift of one monitor."""

    name: str
    law: Law
    course: Course
    rows: int
    reference: int
    peers: bool
    scale: str
    """``log`` when peers read exponentials of the values."""
    baseline: str
    """``stream`` when the reference is the stream's own beginning, which costs peers without a reference nothing."""

    @property
    def key(self) -> str:
        """Name and sizes, unique."""
        return f"{self.name} ({self.rows:,} rows, reference {self.reference:,})"


@dataclass(frozen=True, slots=True)
class FleetCell:
    """Some of many monitors drift."""

    name: str
    monitors: int
    drifted: int
    law: Law
    rows: int
    reference: int


@dataclass(frozen=True, slots=True)
class NullCell:
    """Nothing drifts."""

    name: str
    kind: str
    size: float
    rows: int
    reference: int
    covered: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is measured."""

    protocol: Protocol
    cells: tuple[Cell, ...]
    fleets: tuple[FleetCell, ...]
    nulls: tuple[NullCell, ...]


def read(path: Path = CELLS) -> Plan:
    """Return the plan.

    Raises
    ------
    ValueError
        When there are more cells than were promised to be the most, or two of one name.

    Examples
    --------
    >>> plan = read()
    >>> len(plan.cells) + len(plan.fleets) + len(plan.nulls)
    59
    """
    said = tomllib.loads(path.read_text())
    cells = tuple(_cell(one) for one in said["cell"])
    fleets = tuple(_fleet(one) for one in said["fleet"])
    nulls = tuple(NullCell(**({"size": 0.0} | one)) for one in said["null"])
    if len(cells) + len(fleets) + len(nulls) > MOST:
        raise ValueError(f"more than {MOST} cells")
    names = [*(cell.key for cell in cells), *(fleet.name for fleet in fleets), *(null.name for null in nulls)]
    if len(set(names)) < len(names):
        raise ValueError("two cells have one name")
    return Plan(Protocol(**said["protocol"]), cells, fleets, nulls)


def _cell(said: dict[str, Any]) -> Cell:
    return Cell(
        name=said["name"],
        law=law_of(said.get("law", {"kind": "gaussian"}), said["drift"]),
        course=Course(**said.get("course", {})),
        rows=said["rows"],
        reference=said["reference"],
        peers=said.get("peers", False),
        scale=said.get("scale", "plain"),
        baseline=said.get("baseline", "reference"),
    )


def _fleet(said: dict[str, Any]) -> FleetCell:
    law = law_of({"kind": "gaussian"}, said["drift"])
    return FleetCell(said["name"], said["monitors"], said["drifted"], law, said["rows"], said["reference"])
