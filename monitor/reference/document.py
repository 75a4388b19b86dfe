"""The reference of one model: bins that belong to its columns, counts that belong to its versions. No raw rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from detectors.bins import NumericBins
from detectors.embeddings.projection import Projection
from monitor.config.decision import Decision
from monitor.config.types import parse_moment
from monitor.events import IntArray
from monitor.reference import codec, wire
from monitor.reference.fitting import SCORE, decision_text, flag_counts, flagged_cells
from monitor.reference.parts import ReferenceColumn, ReferenceCross, ReferenceFlag, Tally, Volume, kinds_beyond
from monitor.reference.wire import InvalidReferenceError
from monitor.slices import Cross, Key

ENOUGH: Final = 500
"""A version with fewer rows in the reference is compared with what came before it."""
DECIDED_BY_BINS: Final = frozenset({"unseen", "low", "high"})
"""Quality cells that depend on which rows the bins were made from."""
FLAGGED: Final = "flagged"
_OF_THE_MODEL: Final = frozenset({SCORE, "prediction", FLAGGED})


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model's live stream is compared with.

    Two references are equal when all they hold is equal. Times are microseconds since the epoch.
    """

    model: str
    source: str
    """Where the rows came from, for people."""
    rows: int
    columns: Mapping[str, ReferenceColumn]
    """Features, and the roles ``score``, ``prediction`` and ``latency``."""
    flag_columns: Mapping[str, ReferenceFlag] = field(default_factory=dict)
    """``flagged`` and ``error``."""
    versions: Mapping[str, Tally] = field(default_factory=dict)
    """Counts by model version, oldest first."""
    created: int | None = None
    first: int | None = None
    """Earliest event time."""
    last: int | None = None
    """Latest event time."""
    days: tuple[str, ...] = ()
    """UTC days whose counts are kept apart."""
    decision: Decision | None = None
    """The threshold at which ``flagged`` was counted."""
    volume: Volume | None = None
    notes: tuple[str, ...] = ()
    """What a reader should know about how it was built."""
    crosses: Mapping[Key, ReferenceCross] = field(default_factory=dict)
    """Slicing and target → rows by slice and compact cell."""
    projections: Mapping[str, Projection] = field(default_factory=dict)
    """Vector → what its columns are made by."""
    sums: Mapping[str, IntArray] = field(default_factory=dict)
    """What is added up of the rows, such as the features of vectors → the sums."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            return NotImplemented
        return self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    @property
    def checksum(self) -> str:
        """SHA-256 over all it holds; names the reference in metrics."""
        return str(self._document["checksum"])

    def edges_identity(self, column: str) -> str:
        """Return the hash of all that decides which value of a column falls into which cell.

        Raises
        ------
        KeyError
            When the reference has no such column.
        """
        return self.columns[column].bins.identity

    def cells(self, column: str, version: str) -> IntArray | None:
        """Return rows by cell for one column and version, ``None`` when the column is not in the reference.

        A version with fewer than 500 rows here inherits: its features are compared with all rows, its score and
        prediction with the last version that has enough.
        """
        if column not in self.columns:
            return None
        tally = self._tally(column, version)
        if tally is None:
            return self.columns[column].counts
        return tally.cells.get(column, self.columns[column].counts)

    def rate(self, column: str, version: str, kind: str) -> IntArray | None:
        """Return how many rows are not, and are, of one quality kind, ``None`` when the reference cannot say.

        Where bins were made from half of the rows, unseen, low and high are counted in the other half only: the first
        half knows every category and has nothing out of range, so with it the live rate would always look raised.

        Parameters
        ----------
        column
            A column with bins.
        version
            The model version; a new one inherits as in ``cells``.
        kind
            ``missing``, ``bad``, ``low``, ``high`` or ``unseen``.
        """
        known = self.columns.get(column)
        if known is None or kind not in kinds_beyond(known.bins):
            return None
        tally = self._tally(column, version)
        if tally is None:
            return self.pooled_rate(column, kind)
        return _rate(known, tally.cells.get(column, known.counts), tally.apart.get(column), kind)

    def pooled_rate(self, column: str, kind: str) -> IntArray:
        """Return what ``rate`` does, over all versions.

        Raises
        ------
        KeyError, ValueError
            When the reference has no such column or kind.
        """
        known = self.columns[column]
        return _rate(known, known.counts, known.apart, kind)

    def flags(self, column: str, version: str, decision: Decision | None = None) -> IntArray | None:
        """Return how many rows are not, and are, flagged (or in error), ``None`` when the reference cannot say.

        Parameters
        ----------
        column
            ``flagged`` or ``error``.
        version
            The model version; a new one inherits as in ``cells``.
        decision
            The threshold in force now. If it is another than that of the reference, the flagged share follows from the
            score's bins where one of their edges is exactly there.
        """
        if column == FLAGGED and decision is not None and decision != self.decision:
            return self._flagged_at(decision, version)
        flag = self.flag_columns.get(column)
        if flag is None:
            return None
        tally = self._tally(column, version)
        counts = flag.counts if tally is None else tally.cells.get(column, flag.counts)
        return counts[:2].copy()

    def cross(self, cross: Cross, version: str) -> IntArray | None:
        """Return rows by slice and compact cell for one version, ``None`` when the reference did not count them so.

        A version with fewer than 500 rows here is compared with the last one that has enough.
        """
        known = self.crosses.get(cross.key)
        if known is None or known.identity != cross.identity:
            return None
        tally = self._tally(SCORE, version)
        return known.counts if tally is None else tally.crosses.get(cross.key, known.counts)

    def summed(self, name: str, version: str) -> IntArray | None:
        """Return the sums of one version, ``None`` when there are none; a new version inherits as in ``cells``."""
        if name not in self.sums:
            return None
        tally = self._tally(name, version)
        return self.sums[name] if tally is None else tally.sums.get(name, self.sums[name])

    def to_json(self) -> bytes:
        """Return the reference as its file holds it."""
        return wire.write(self._document)

    @classmethod
    def from_json(cls, data: bytes) -> Reference:
        """Return the reference in some data.

        Raises
        ------
        InvalidReferenceError
            When the data are no reference, were changed or cut, or come from a later format.
        """
        fields = wire.read(data)
        try:
            return _unpack(fields)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            problem = f"it contradicts itself: {error}"
            raise InvalidReferenceError(problem, "build it again with: driftline reference build") from None

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Return the reference in a file.

        Raises
        ------
        InvalidReferenceError
            When the file cannot be read, or as ``from_json``; the text names the file.
        """
        try:
            return cls.from_json(path.read_bytes())
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise InvalidReferenceError(problem, "make one with: driftline reference build", path) from None
        except InvalidReferenceError as error:
            raise error.at(path) from None

    def save(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises
        ------
        OSError
            When it cannot be written; what stood there before is untouched.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(self.to_json())
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    @cached_property
    def _document(self) -> dict[str, Any]:
        return wire.document_of(_pack(self))

    def _tally(self, column: str, version: str) -> Tally | None:
        """Return whose counts a version's column is compared with; ``None`` stands for all rows."""
        own = self.versions.get(version)
        if own is not None and own.rows >= ENOUGH:
            return own
        if column in _OF_THE_MODEL:
            return next((tally for tally in reversed(list(self.versions.values())) if tally.rows >= ENOUGH), None)
        return None

    def _flagged_at(self, decision: Decision, version: str) -> IntArray | None:
        score = self.columns.get(SCORE)
        cells = self.cells(SCORE, version)
        if score is None or cells is None or not isinstance(score.bins, NumericBins):
            return None
        flagged = flagged_cells(score.bins, decision)
        if flagged is None:
            return None
        return flag_counts(score.bins, cells, flagged)[:2]


def _rate(column: ReferenceColumn, cells: IntArray, apart: IntArray | None, kind: str) -> IntArray:
    place = kinds_beyond(column.bins).index(kind)
    if apart is None or kind not in DECIDED_BY_BINS:
        apart = np.append(cells.sum(), cells[column.bins.size :])
    yes = int(apart[1 + place])
    return np.array([int(apart[0]) - yes, yes], np.int64)


def _pack(reference: Reference) -> wire.WireReference:
    sole = len(reference.versions) == 1
    return wire.WireReference(
        format=wire.FORMAT,
        version=wire.VERSION,
        model=reference.model,
        created=wire.moment_text(reference.created),
        source=reference.source,
        rows=reference.rows,
        first=wire.moment_text(reference.first),
        last=wire.moment_text(reference.last),
        days=list(reference.days),
        decision=None if reference.decision is None else decision_text(reference.decision),
        notes=list(reference.notes),
        volume=None if reference.volume is None else codec.pack_volume(reference.volume),
        columns={name: codec.pack_column(column) for name, column in reference.columns.items()},
        flags={name: codec.pack_flag(flag) for name, flag in reference.flag_columns.items()},
        versions={
            version: codec.pack_version(tally, reference.columns, reference.crosses, sole=sole)
            for version, tally in reference.versions.items()
        },
        slices=codec.pack_slices(reference.crosses) or msgspec.UNSET,
        projections={name: one.to_dict() for name, one in reference.projections.items()} or msgspec.UNSET,
        sums={name: sums.tolist() for name, sums in reference.sums.items()} or msgspec.UNSET,
    )


def _unpack(fields: wire.WireReference) -> Reference:
    columns = {name: codec.unpack_column(column, fields.days) for name, column in fields.columns.items()}
    flags = {name: codec.unpack_flag(flag, fields.days) for name, flag in fields.flags.items()}
    crosses = codec.unpack_slices(fields.slices or ())
    projections = {name: Projection.from_dict(one) for name, one in (fields.projections or {}).items()}
    sums = codec.unpack_sums(fields.sums or {}, projections)
    return Reference(
        model=fields.model,
        source=fields.source,
        rows=fields.rows,
        columns=columns,
        flag_columns=flags,
        versions={
            name: codec.unpack_version(version, columns, flags, crosses, sums)
            for name, version in fields.versions.items()
        },
        created=None if fields.created is None else parse_moment(fields.created),
        first=None if fields.first is None else parse_moment(fields.first),
        last=None if fields.last is None else parse_moment(fields.last),
        days=tuple(fields.days),
        decision=None if fields.decision is None else Decision.parse(fields.decision),
        volume=None if fields.volume is None else codec.unpack_volume(fields.volume),
        notes=tuple(fields.notes),
        crosses=crosses,
        projections=projections,
        sums=sums,
    )
