"""From rows to a reference, in two passes and bounded memory: first the bins, then the counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors.embeddings.projection import Projection
from monitor.coders import Flags, latency_bins
from monitor.config.decision import Decision
from monitor.config.model import ModelConfig, SliceConfig
from monitor.decoding.sampling import hash64
from monitor.decoding.schema import is_carried
from monitor.events import Batch, Column, FloatArray, IntArray
from monitor.parts import parts_of_slices, with_parts
from monitor.reference.census import Census
from monitor.reference.counting import Counting
from monitor.reference.document import FLAGGED, Reference
from monitor.reference.fitting import SCORE, Bins, decision_text, fit_bins, looks_like_id
from monitor.reference.sample import Hashes, Sample, take
from monitor.reference.summary import Summary
from monitor.reference.summing import MOST_DAYS, MOST_VERSIONS, Facts, assemble, natural
from monitor.reference.vectors import Vectors
from monitor.vectors import is_vector, projected

SAMPLED: Final = 200_000
"""Rows from which bins are made, if there are more."""
SAMPLED_CELLS: Final = 20_000_000
"""The same as cells over all columns, which bounds memory: 160 MB of numbers."""
FEWEST_APART: Final = 1000
"""With fewer rows, bins are made from all of them and none is left to count rates apart."""
_HALF: Final = (0.2, 0.8)
"""Unless the rows with an even hash are such a share, ids repeat too much to part the rows by them."""
_NOT_BINNED: Final = frozenset({"latency", "error", FLAGGED})


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What the configuration says about a model's reference."""

    model: str
    bins: int = 256
    top_k: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    keep: Collection[str] = ()
    """Columns that are categories even if they look like ids."""
    ignored: Collection[str] = ()
    decision: Decision | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    edges: Mapping[str, Bins] = field(default_factory=dict)
    """Column → bins that it has already and keeps."""
    slices: tuple[SliceConfig, ...] = ()
    """Parts of the rows that are counted apart."""
    projections: Mapping[str, Projection] = field(default_factory=dict)
    """Vector → the projection that it has already and keeps."""

    @classmethod
    def of(cls, model: ModelConfig, edges: Reference | None = None) -> BuildSettings:
        """Return the settings of a configured model, on the edges of an earlier reference if one is given."""
        features = model.features
        return cls(
            model=model.name,
            bins=256 if model.reference is None else model.reference.bins,
            top_k={name: feature.top_k for name, feature in features.items()},
            ranges={name: feature.range for name, feature in features.items() if feature.range is not None},
            keep={name for name, feature in features.items() if feature.type == "categorical"},
            ignored={name for name, feature in features.items() if feature.type in {"id", "ignore"}},
            decision=None if model.decision is None else Decision.parse(model.decision),
            importance={name: feature.importance for name, feature in features.items()},
            edges={} if edges is None else {name: column.bins for name, column in edges.columns.items()},
            slices=tuple(model.slices),
            projections={} if edges is None else edges.projections,
        )


class ReferenceBuilder:
    """Builds a reference from rows that can be read twice.

    ``observe`` every batch, ``fit``, ``count`` every batch again, then ask for the ``reference``. How rows are cut into
    batches does not matter. ``build_reference`` does it all.

    Bins are made from the rows whose id has an even hash, 200,000 of them at most (those of smallest hash), and all
    rows are counted in them. How often a value is unseen or out of range is read from the rows with an odd hash, which
    had no part in the bins. With fewer than 1,000 rows there is no such split.

    Parameters
    ----------
    settings
        What the configuration says.
    timed
        Whether the rows carry times; without them there are no days and no volume.
    """

    def __init__(self, settings: BuildSettings, *, timed: bool = True) -> None:
        self.settings = settings
        self.rows = 0
        """Rows observed."""
        self.notes: list[str] = []
        """What a reader of the reference should know."""
        self._census = Census(timed)
        self._few = Sample(FEWEST_APART)
        self._half: Sample | None = None
        self._even = 0
        self._seen: set[str] = set()
        self._summaries: dict[str, Summary] = {}
        self._counting: Counting | None = None
        self._bins: dict[str, Bins] = {}
        self._parts = parts_of_slices(settings.slices)
        self._vectors = Vectors(settings.projections)

    def observe(self, batch: Batch) -> None:
        """Take note of rows: the first pass."""
        if not len(batch):
            return
        hashes = hash64(batch.ids)
        even = np.flatnonzero(hashes % 2 == 0)
        columns = {name: cells for name, cells in batch.columns.items() if name not in self.settings.ignored}
        columns = self._without_vectors(columns, hashes, even)
        self._seen.update(columns)
        binned = {name: cells for name, cells in columns.items() if name not in _NOT_BINNED and not is_carried(name)}
        if self._half is None:
            self._half = Sample(max(FEWEST_APART, min(SAMPLED, SAMPLED_CELLS // max(1, len(binned)))))
        self._even += len(even)
        self._half.add(hashes[even], {name: take(cells, even) for name, cells in binned.items()})
        if self.rows < FEWEST_APART:
            self._few.add(hashes, binned)
        self._census.add(batch, self.rows)
        self.rows += len(batch)

    def fit(self) -> Mapping[str, Bins]:
        """Make the bins and return them; end of the first pass."""
        split = self.rows >= FEWEST_APART and _HALF[0] <= self._even / self.rows <= _HALF[1]
        chosen = self._half if self._half is not None and self._even and self.rows >= FEWEST_APART else self._few
        vectors = self._vectors.fit(split=split)
        sample, made_from = {**chosen.columns(), **vectors}, len(chosen)
        self._summaries = {
            name: Summary.of_values(cells) for name, cells in sample.items() if not isinstance(cells, list)
        }
        fresh = {name: cells for name, cells in sample.items() if name not in self.settings.edges}
        fitted = fit_bins(
            fresh,
            bins=self.settings.bins,
            top_k=self.settings.top_k,
            ranges=self.settings.ranges,
            decision=self.settings.decision,
            keep=self.settings.keep,
        )
        kept = {name: bins for name, bins in self.settings.edges.items() if name not in self.settings.ignored}
        found = {**kept, **fitted}
        if "latency" in self._seen:
            found["latency"] = latency_bins()
        self._bins = {name: found[name] for name in sorted(found, key=_place)}
        self._remark(fresh, made_from, split=split)
        self._counting = Counting(
            self._bins,
            self._flags(),
            versions=self._census.commonest(MOST_VERSIONS),
            days=self._census.days(MOST_DAYS),
            fitted=frozenset(fitted) if split else frozenset(),
            slices=self.settings.slices,
            halved=self._vectors.halved,
            sums=self._vectors.sums(),
        )
        return self._bins

    def count(self, batch: Batch) -> None:
        """Count rows: the second pass.

        Raises
        ------
        RuntimeError
            Before ``fit``.
        """
        if self._counting is None:
            raise RuntimeError("fit before counting")
        if len(batch):
            apart = (hash64(batch.ids) % 2).astype(np.int64)
            columns, bad = projected(batch.columns, batch.bad, self._vectors.projections)
            batch = self._with_flagged(replace(batch, columns=columns, bad=bad))
            self._counting.add(with_parts(batch, self._parts), apart)

    def reference(self, *, source: str, created: int | None = None, notes: Iterable[str] = ()) -> Reference:
        """Return the reference; end of the second pass.

        Parameters
        ----------
        source
            Where the rows came from, for people.
        created
            The time now, if that should be told.
        notes
            What else a reader should know.

        Raises
        ------
        RuntimeError
            Before ``fit``.
        """
        if self._counting is None:
            raise RuntimeError("fit before asking for the reference")
        facts = Facts(
            model=self.settings.model,
            source=source,
            decision=self.settings.decision,
            importance=self.settings.importance,
            summaries=self._summaries,
            created=created,
            first=self._census.first,
            last=self._census.last,
            notes=(*notes, *self.notes, *self._vectors.notes),
            projections=self._vectors.projections,
        )
        return assemble(
            facts,
            self._bins,
            self._counting.total(),
            by_version=self._counting.by_version(),
            by_day=self._counting.by_day(),
            by_hour=self._census.hours,
            hourly=self._counting.by_hour(),
            crosses=self._counting.layout.crosses,
        )

    def _without_vectors(self, columns: dict[str, Column], hashes: Hashes, even: IntArray) -> dict[str, Column]:
        """Keep the vectors of rows that projections may be fitted on; return the other columns."""
        vectors = {name: cells for name, cells in columns.items() if is_vector(cells)}
        if not vectors:
            return columns
        self._vectors.observe(hashes[even], {name: take(cells, even) for name, cells in vectors.items()})
        return {name: cells for name, cells in columns.items() if name not in vectors}

    def _flags(self) -> dict[str, Flags]:
        flags = {}
        if self.settings.decision is not None and SCORE in self._seen:
            flags[FLAGGED] = Flags(decision_text(self.settings.decision))
        if "error" in self._seen:
            flags["error"] = Flags("error")
        return flags

    def _with_flagged(self, batch: Batch) -> Batch:
        score = batch.columns.get(SCORE)
        if self.settings.decision is None or not isinstance(score, np.ndarray):
            return batch
        flagged: FloatArray = np.where(np.isnan(score), np.nan, self.settings.decision.flagged(score))
        return replace(batch, columns={**batch.columns, FLAGGED: flagged})

    def _remark(self, fresh: Mapping[str, Column], made_from: int, *, split: bool) -> None:
        if fresh and split:
            self.notes.append(
                f"bins were made from {made_from:,} rows (even hash of the id); unseen, low and high rates are counted "
                "on the rows with an odd hash"
            )
        elif fresh:
            why = f"fewer than {FEWEST_APART:,} rows" if self.rows < FEWEST_APART else "ids repeat too much"
            self.notes.append(
                f"{why}: no rows are apart from the {made_from:,} that bins were made from, so the rates of unseen, "
                "low and high start too low"
            )
        if self.settings.edges:
            self.notes.append("edges were taken from an earlier reference")
        for name, cells in fresh.items():
            if isinstance(cells, list) and name not in self.settings.keep and looks_like_id(cells):
                self.notes.append(
                    f"{name} looks like an id: only its missing and bad cells are compared; set type: id to leave it "
                    "out, or type: categorical to keep its values"
                )


def build_reference(
    settings: BuildSettings,
    rows: Callable[[], Iterable[Batch]],
    *,
    source: str,
    timed: bool = True,
    created: int | None = None,
) -> Reference:
    """Return the reference of rows that ``rows`` hands out anew at each call.

    Examples
    --------
    >>> moments = np.array([0, 1])
    >>> batch = Batch("m", "prediction", ["a", "b"], ["1", "1"], moments, moments, moments, {"x": np.array([1.0, 2.0])})
    >>> build_reference(BuildSettings(model="m"), lambda: [batch], source="two rows").columns["x"].counts.tolist()
    [1, 1, 0, 0, 0, 0]
    """
    builder = ReferenceBuilder(settings, timed=timed)
    for batch in rows():
        builder.observe(batch)
    builder.fit()
    for batch in rows():
        builder.count(batch)
    return builder.reference(source=source, created=created)


def _place(name: str) -> tuple[object, ...]:
    """Return a key that puts the model's own columns first, then features by the words and numbers in their names."""
    first = (SCORE, "prediction", "latency")
    return (first.index(name) if name in first else len(first), natural(name))
