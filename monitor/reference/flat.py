"""Rows of a file of columns: which column is which role or feature, and the batches that come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.config.model import ModelConfig
from monitor.decoding.cells import Values, category, ident, is_field_name
from monitor.decoding.columns import categorical_column, flag_column, vector_column
from monitor.decoding.paths import Path as FieldPath
from monitor.decoding.paths import Wrong, parse_path, parse_template
from monitor.decoding.schema import ColumnType, is_reserved
from monitor.decoding.times import MISSING, parse_times
from monitor.events import Batch, Column, IntArray
from monitor.reference.rows import Report, listed, rejected_note, silent
from monitor.reference.tables import Columns, Table

_ROLES: Final = ("score", "prediction", "latency", "error")


@dataclass(frozen=True, kw_only=True)
class FlatPlan:
    """Where everything stands in a file of columns."""

    id: str | None
    time: str | None
    version: str | None
    roles: Mapping[str, str]
    """Role → column."""
    features: Mapping[str, str]
    """Feature → column."""
    where: tuple[tuple[str, str], ...] = ()
    """Column → the category that its cells must have."""
    where_left_out: tuple[str, ...] = ()
    """Paths of ``where`` for which there is no column."""

    @classmethod
    def of(cls, model: ModelConfig, names: Sequence[str], rename: Mapping[str, str]) -> FlatPlan:
        """Find the columns of a model's mapping by their names.

        A path such as ``value.payload.ts`` leads to the column ``payload.ts``, or else ``ts``, or else to the one named
        as its role. Where ``map.features`` is a path to an object, all columns that are nothing else are features, or
        those that begin with that path if there are any.

        Parameters
        ----------
        model
            The configured model.
        names
            The file's columns.
        rename
            Column → the name that the mapping knows it by.
        """
        stream, mapped = model.predictions, model.predictions.map
        known = {rename.get(name, name): name for name in reversed(names)}
        roles = {role: getattr(mapped, role) for role in ("id", "time", "version", *_ROLES)}
        found = {
            role: column
            for role, path in roles.items()
            if path is not None and (column := _find(path, role, known)) is not None
        }
        where = tuple(
            (column, text)
            for path, wanted in stream.where.items()
            if (column := _find(path, "", known)) is not None and isinstance(text := category(wanted), str)
        )
        taken = {*found.values(), *(column for column, _ in where)}
        features = _features(model, known, taken)
        ignored = {name for name, feature in model.features.items() if feature.type in {"id", "ignore"}}
        return cls(
            id=found.get("id"),
            time=found.get("time"),
            version=found.get("version"),
            roles={role: found[role] for role in _ROLES if role in found},
            features={name: column for name, column in features.items() if name not in ignored},
            where=where,
            where_left_out=tuple(path for path in stream.where if _find(path, "", known) is None),
        )


class FlatRows:
    """Rows of a file of columns. See ``monitor.reference.rows.Rows``.

    Parameters
    ----------
    table
        The file.
    plan
        Where everything stands in it.
    model
        The configured model.
    types
        Feature → type, where that is known; others as the file says.
    """

    def __init__(self, table: Table, plan: FlatPlan, model: ModelConfig, types: Mapping[str, ColumnType]) -> None:
        self._table = table
        self._plan = plan
        self._model = model
        open_ = [column for feature, column in plan.features.items() if feature not in types]
        found = table.kinds(open_) if open_ else {}
        self.types: dict[str, ColumnType] = {
            feature: types[feature] if feature in types else found[column] for feature, column in plan.features.items()
        }
        self._guessed = {feature for feature in plan.features if feature not in types}
        self.rejected: Counter[str] = Counter()

    @property
    def description(self) -> str:
        """The file's name."""
        return f"file {self._table.path.name}"

    @property
    def timed(self) -> bool:
        """Whether there is a column of times."""
        return self._plan.time is not None

    @property
    def size(self) -> int:
        """See ``Rows``."""
        return self._table.size

    def batches(self, report: Report = silent) -> Iterator[Batch]:
        """See ``Rows``."""
        self.rejected.clear()
        start = 0
        for chunk in self._table.chunks(report):
            batch, rows = self._batch(chunk, start)
            start += rows
            if len(batch):
                yield batch
        self.rejected.update(self._table.rejected)

    def notes(self) -> list[str]:
        """See ``Rows``."""
        notes = []
        if self._plan.time is None:
            notes.append("the file has no column of times: no days, no volume")
        if self._plan.id is None:
            notes.append("the file has no column of ids: rows are known by their number")
        return notes + rejected_note(self.rejected)

    def guesses(self) -> list[str]:
        """See ``Rows``."""
        texts = {"numeric": "numeric, as found", "categorical": "categorical, as found"}
        texts["ignore"] = "left out, no values or neither numbers nor texts"
        names = {kind: sorted(name for name in self._guessed if self.types[name] == kind) for kind in texts}
        found = [f"{text}: {listed(names[kind])}" for kind, text in texts.items() if names[kind]]
        if self._plan.where_left_out:
            found.append(f"no column for where: {listed(list(self._plan.where_left_out))}; all rows are taken")
        return found

    def close(self) -> None:
        """See ``Rows``; files are open only while they are read."""

    def _batch(self, chunk: Columns, start: int) -> tuple[Batch, int]:
        plan = self._plan
        rows = len(next(iter(chunk.values())))
        ids = [str(start + i) for i in range(rows)] if plan.id is None else [ident(cell) for cell in chunk[plan.id]]
        times = np.zeros(rows, np.int64) if plan.time is None else self._times(plan.time, chunk[plan.time])
        columns: dict[str, Column] = {}
        bad: dict[str, IntArray] = {}
        for name, column in {**plan.roles, **plan.features}.items():
            if self.types.get(name) != "ignore":
                columns[name], marks = self._column(name, chunk[column])
                bad |= {name: marks} if len(marks) else {}
        batch = Batch(
            model=self._model.name,
            kind="prediction",
            ids=[name if isinstance(name, str) else "" for name in ids],
            versions=[""] * rows if plan.version is None else [_version(cell) for cell in chunk[plan.version]],
            times=times,
            log_times=np.zeros(rows, np.int64),
            offsets=start + np.arange(rows),
            columns=columns,
            bad=bad,
        )
        kept = self._kept(chunk, ids, times)
        return (batch if len(kept) == rows else batch.take(kept)), rows

    def _times(self, name: str, cells: Values) -> IntArray:
        values, form = self._table.moments(name, cells, self._model.predictions.time_format)
        return parse_times(values, form)

    def _column(self, name: str, cells: Values) -> tuple[Column, IntArray]:
        if name == "error":
            return flag_column(cells), np.empty(0, np.int64)
        if self.types.get(name) == "vector":
            return vector_column(cells, self._model.features[name].size or 0)
        if name == "prediction":
            numeric = self._model.task == "regression"
        else:
            numeric = self.types.get(name, "numeric") == "numeric"
        return self._table.numbers(cells) if numeric else categorical_column(cells, careful=True)

    def _kept(self, chunk: Columns, ids: Sequence[str | Wrong | None], times: IntArray) -> IntArray:
        """Return the rows that count; say why the others do not."""
        kept: list[int] = []
        wanted = [(chunk[column], text) for column, text in self._plan.where]
        for row, (name, time) in enumerate(zip(ids, times.tolist(), strict=True)):
            if any(category(cells[row]) != text for cells, text in wanted):
                self.rejected["other_model"] += 1
            elif not isinstance(name, str):
                self.rejected["missing_id" if name is None else "bad_id"] += 1
            elif time < 0:
                self.rejected["missing_time" if time == MISSING else "bad_time"] += 1
            else:
                kept.append(row)
        return np.array(kept, np.int64)


def _version(cell: object) -> str:
    found = category(cell)
    return found if isinstance(found, str) else ""


def _find(path: str, role: str, known: Mapping[str, str]) -> str | None:
    """Return the column at which a path of the mapping leads in a flat file."""
    parts = parse_template(path)
    steps = parts[0].steps if len(parts) == 1 and isinstance(parts[0], FieldPath) else ()
    names = [step for step in steps if isinstance(step, str)]
    candidates = [".".join(names), *names[-1:], role]
    return next((known[name] for name in candidates if name in known), None)


def _features(model: ModelConfig, known: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    mapped = model.predictions.map.features
    if mapped is None:
        return {}
    if not isinstance(mapped, str):
        found = {name: known.get(name) or _find(path, name, known) for name, path in mapped.items()}
        return {name: column for name, column in found.items() if column is not None}
    names = [step for step in parse_path(mapped).steps if isinstance(step, str)]
    prefixes = {".".join(names[start:]) + "." for start in range(len(names))}
    inner = {name[len(p) :]: column for p in prefixes for name, column in known.items() if name.startswith(p)}
    free = inner or {name: column for name, column in known.items() if column not in taken}
    listed_names = model.predictions.feature_names
    return {
        name: column
        for name, column in free.items()
        if not is_reserved(name) and is_field_name(name) and (listed_names is None or name in listed_names)
    }
