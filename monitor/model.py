"""One monitored model at run time: its windows, its columns, what it is compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors.embeddings.projection import Projection
from monitor.coders import Flags, latency_bins
from monitor.config.decision import Decision
from monitor.config.model import ModelConfig
from monitor.config.where import WHERE, Where
from monitor.decoding.schema import ColumnType
from monitor.events import Batch, FloatArray, IntArray
from monitor.layout import Coder, Layout
from monitor.learning import Learning
from monitor.origins import origin_of, origins_of
from monitor.parts import parts_of, with_parts
from monitor.reference import Reference
from monitor.slices import crosses_of
from monitor.vectors import columns_of, sum_column
from monitor.windows import WindowSet

FLAGGED = "flagged"
NEVER_ROLLED: Final = -(1 << 62)
"""No pane of the tier was rolled up."""
OTHER = "other"
ROLES = ("score", "prediction", "latency", "error", FLAGGED)


@dataclass(slots=True)
class Model:
    """What the pipeline knows of one model.

    There is either a ``reference`` to compare with or a ``learning`` that will become one.
    """

    config: ModelConfig
    windows: WindowSet
    layout: Layout
    decision: Decision | None = None
    reference: Reference | None = None
    learning: Learning | None = None
    learnt: bytes | None = None
    """The learnt reference as it is stored; ``None`` for one that comes from a file."""
    rolled: list[int] = field(default_factory=list)
    """Per tier but the last: panes that start before this were rolled up."""
    last_time: int | None = None
    """Greatest event time of any counted row."""
    types: Mapping[str, ColumnType | None] = field(default_factory=dict)
    """Types of features as decoding has learnt them so far; of no use once the features are known."""
    changes: list[str] = field(default_factory=list)
    """What the configuration changed since the state was last open, in sentences."""
    most_versions: int = 4
    versions: dict[str, int] = field(default_factory=dict)
    """Versions that are counted apart → greatest event time of their rows."""
    parts: Mapping[str, Where] | None = None
    """Column → the part of the traffic that it says a row is in; made when first needed."""
    appeared: dict[tuple[str, str], int] = field(default_factory=dict)
    """(window, unknown field) → start of the first window that told of it."""

    @property
    def features(self) -> Mapping[str, ColumnType] | None:
        """Features with their types, ``None`` while they are still to be learnt."""
        if self.reference is None and (self.learning is None or self.learning.coders is None):
            return None
        made = self._of_vectors
        types: dict[str, ColumnType] = {
            name: "numeric" if getattr(coder, "numeric", False) else "categorical"
            for name, coder in self.layout.coders.items()
            if name not in ROLES and not name.startswith(WHERE) and name not in made
        }
        types |= dict.fromkeys(self.projections, "vector")
        for name, feature in self.config.features.items():
            if feature.type in {"id", "ignore"} or (feature.type == "vector" and name not in self.projections):
                types[name] = "ignore"
        return types

    @property
    def projections(self) -> dict[str, Projection]:
        """Vectors that are read, each with what makes its columns: those configured that the reference knows.

        One that is configured with another size is among them: all its cells are bad.
        """
        known = {} if self.reference is None else self.reference.projections
        features = self.config.features
        return {name: one for name, one in known.items() if name in features and features[name].type == "vector"}

    def misfits(self) -> list[str]:
        """Return what is wrong with vectors, in sentences: sizes that are not the reference's."""
        sizes = {name: self.config.features[name].size for name in self.projections}
        return [
            f"features.{name}.size is {sizes[name]}, and the reference was built on vectors of {one.size} numbers: all "
            "its cells are bad. Correct the size, or build the reference again."
            for name, one in self.projections.items()
            if sizes[name] != one.size
        ]

    @property
    def repeating(self) -> frozenset[str]:
        """Columns of vectors whose missing and bad cells are told by another column already."""
        return frozenset(name for vector, one in self.projections.items() for name in columns_of(vector, one)[1:])

    @property
    def computed(self) -> Collection[str]:
        """Columns that vectors become."""
        return self._of_vectors.keys()

    @property
    def _of_vectors(self) -> dict[str, str]:
        """Column that a vector becomes → hash of what makes it."""
        return {column: one.identity for name, one in self.projections.items() for column in columns_of(name, one)}

    def watch(self, reference: Reference) -> None:
        """Compare with this reference from now on."""
        self.reference = reference
        self.learning = None
        self.relayout({name: column.bins for name, column in reference.columns.items()})

    def adopt(self, learnt: bytes) -> None:
        """Compare with a reference learnt earlier."""
        self.watch(Reference.from_json(learnt))
        self.learnt = learnt

    def relayout(self, coders: Mapping[str, Coder]) -> None:
        """Count these columns from now on, and the roles that the configuration maps."""
        made = self._of_vectors
        known = {} if self.reference is None else self.reference.projections
        unread = {column for name, one in known.items() for column in columns_of(name, one)} - made.keys()
        chosen = {name: coder for name, coder in coders.items() if not self._ignored(name) and name not in unread}
        mapped = self.config.predictions.map
        if mapped.latency is not None:
            chosen["latency"] = latency_bins()
        if mapped.error is not None:
            chosen["error"] = Flags("error")
        if self.decision is not None and mapped.score is not None:
            chosen[FLAGGED] = Flags(f"score {self.decision.op} {self.decision.threshold!r}")
        for sliced in self.config.slices:
            if sliced.where is not None:
                chosen[sliced.columns[0]] = Flags(f"where {sliced.where}")
        origins = origins_of(self.config.predictions)
        where = {name: origin_of(origins, name) + made.get(name, "") for name in chosen}
        sums = {sum_column(name): one.fourier for name, one in self.projections.items() if one.fourier is not None}
        where |= {sum_column(name): origin_of(origins, name) + one.placing for name, one in self.projections.items()}
        self.layout = Layout(chosen, crosses_of(self.config.slices, chosen), where, sums)

    def unjudged_slices(self) -> list[str]:
        """Return the slices that the reference did not count, so that nothing in them can be judged."""
        reference = self.reference
        asked = {",".join(config.columns): config.columns for config in self.config.slices}
        if reference is None:
            return []
        judged = {key[0] for key, cross in self.layout.crosses.items() if reference.cross(cross, "") is not None}
        return [name for name, columns in asked.items() if columns not in judged]

    def appears(self, field: str, window: str, start: int) -> int:
        """Note that a window tells of an unknown field; return the start of the first one that did."""
        first = min(start, self.appeared.get((window, field), start))
        self.appeared[window, field] = first
        return first

    def admit(self, batch: Batch, before: IntArray) -> Batch:
        """Return accepted rows with versions beyond the bound renamed ``other``; ``before`` as the clock gave it.

        A version that had no row for as long as windows are restated makes room for a new one. Which versions come too
        many depends on the order in which partitions are read; nothing else does.
        """
        names = set(batch.versions)
        if names <= self.versions.keys():
            self._note_versions(batch.versions, batch.times)
            return batch
        now = np.maximum(before, batch.times)
        if self._is_full(int(now.max())):
            admitted = [name if name in self.versions else OTHER for name in batch.versions]
            self._note_versions(admitted, batch.times)
        else:
            rows = zip(batch.versions, now.tolist(), batch.times.tolist(), strict=True)
            admitted = [self._admit_row(*row) for row in rows]
        return replace(batch, versions=admitted)

    def derive(self, batch: Batch) -> Batch:
        """Return accepted rows with the columns that say which parts of ``slices.where`` they are in."""
        if self.parts is None:
            self.parts = parts_of(self.config)
        return with_parts(batch, self.parts)

    def prepare(self, batch: Batch) -> Batch:
        """Return accepted rows with what follows from their cells, such as whether the decision flags them."""
        if len(batch):
            newest = int(batch.times.max())
            self.last_time = newest if self.last_time is None else max(self.last_time, newest)
        if self.learning is not None:
            self.learning.observe(batch)
        score = batch.columns.get("score")
        if self.decision is None or not isinstance(score, np.ndarray):
            return batch
        flagged: FloatArray = np.where(np.isnan(score), np.nan, self.decision.flagged(score))
        return replace(batch, columns={**batch.columns, FLAGGED: flagged})

    def _note_versions(self, versions: list[str], times: IntArray) -> None:
        """Note the rows of versions that are counted apart."""
        known = self.versions
        if len(set(versions)) == 1:
            versions, newest = versions[:1], [int(times.max())]
        else:
            newest = times.tolist()
        for name, time in zip(versions, newest, strict=True):
            if name in known and time > known[name]:
                known[name] = time

    def _admit_row(self, name: str, now: int, time: int) -> str:
        """Return the version under which a row counts."""
        if name not in self.versions:
            while len(self.versions) >= self.most_versions and not self._is_full(now):
                del self.versions[self._oldest()]
            if len(self.versions) >= self.most_versions:
                return OTHER
        self.versions[name] = max(self.versions.get(name, time), time)
        return name

    def _is_full(self, now: int) -> bool:
        """Return whether no version can make room at this event time."""
        if len(self.versions) < self.most_versions:
            return False
        return self.versions[self._oldest()] >= now - self.windows.tiers.keep[-1]

    def _oldest(self) -> str:
        return min(self.versions, key=lambda name: (self.versions[name], name))

    def _ignored(self, name: str) -> bool:
        feature = self.config.features.get(name)
        return feature is not None and feature.type in {"id", "ignore"}
