"""From parsed rows to a batch: ids, sample, times, versions, columns; and what is refused on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.decoding.cells import Values, category, ident, plain
from monitor.decoding.columns import make_column
from monitor.decoding.looking import Look, look
from monitor.decoding.outer import Outer
from monitor.decoding.paths import INNER, Path, Wrong
from monitor.decoding.plan import Plan
from monitor.decoding.reasons import REJECTS, Outcome, Reason
from monitor.decoding.sampling import kept
from monitor.decoding.tables import Table
from monitor.decoding.times import MISSING, parse_times
from monitor.decoding.typed import Use
from monitor.events import Batch, Column, IntArray, Records, Reject
from monitor.vectors import present, projected


@dataclass
class Ledger:
    """Rejects and counts of one chunk, as they come up."""

    records: Records
    rejects: list[Reject] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def refuse(
        self, index: int, reason: Reason, model: str | None, *, row: int | None = None, at: object = None
    ) -> None:
        """Refuse a record or one row of it; ``at`` is the path to blame."""
        records = self.records
        reject = Reject(
            topic=records.topic,
            partition=records.partition,
            offset=records.offsets[index],
            row=row,
            reason=reason,
            detail=REJECTS[reason] if at is None else f"{REJECTS[reason]} Mapped to {at}.",
            model=model,
            log_time=records.log_times[index],
            key=records.keys[index],
            value=None if reason == "too_large" else records.values[index],
            headers=records.headers[index] if records.headers else (),
        )
        self.rejects.append(reject)

    def count(self, outcome: Outcome, number: int = 1, model: str = "") -> None:
        """Count rows or records."""
        if number:
            self.counts[model, outcome] += number


def fetch(table: Table, outer: Outer, use: Use, path: Path) -> Values:
    """Return what stands at any path, one value a row of the table."""
    if path.root in INNER:
        return table.values(use, path)
    values = outer.values(path)
    whole = table.numbers is None and len(table.records) == len(values)
    return values if whole else [values[i] for i in table.records]


def matching(plan: Plan, values: Callable[[Path], Values], rows: int) -> list[int] | None:
    """Return the rows whose ``where`` holds over these paths, or ``None`` for all."""
    keep: list[int] | None = None
    for path, wanted in plan.where:
        found = values(path)
        if found.count(wanted) == rows:  # the common case: texts, and every one the same
            continue
        fits = {row for row, value in enumerate(found) if category(value) == wanted}
        keep = [row for row in (range(rows) if keep is None else keep) if row in fits]
    return keep


def assemble(
    plan: Plan, table: Table, outer: Outer, ledger: Ledger, odd: Collection[int], objects: Look
) -> Batch | None:
    """Turn parsed rows into a batch; ``None`` when none is left.

    ``odd`` holds the records that only the tolerant parser could read; ``objects`` hands out the features of the rows
    that are looked at for unknown fields.
    """
    chosen = _select(plan, table, outer, ledger)
    if chosen is None:
        return None
    table, ids, times = chosen
    columns, bad = _columns(plan, table, outer, ledger)
    fallback = {row for row, index in enumerate(table.records) if index in odd} if odd else set()
    for rows in bad.values():
        fallback.update(rows.tolist())
    model = plan.schema.model
    ledger.count("decode_fallback", len(fallback), model)
    records = ledger.records
    whole = table.numbers is None and len(table.records) == len(records)
    sources = None if whole else np.array(table.records, np.int64)
    log_times, offsets = np.array(records.log_times, np.int64), _offsets(records.offsets)
    offsets = offsets if sources is None else offsets[sources]
    looked = look(plan, table, offsets, objects)
    ledger.count("unknown_field", sum(map(len, (looked or {}).values())), model)
    return Batch(
        model=model,
        kind=plan.schema.kind,
        ids=ids,
        versions=_versions(plan, table, outer, ledger),
        times=times,
        log_times=log_times if sources is None else log_times[sources],
        offsets=offsets,
        columns=columns,
        bad=bad,
        looked=looked,
        sources=sources,
        numbers=None if table.numbers is None else np.array(table.numbers, np.int64),
    )


def _offsets(offsets: Sequence[int]) -> IntArray:
    """Return offsets, which grow, as an array; mostly none is left out between the first and the last."""
    if offsets[-1] - offsets[0] == len(offsets) - 1:
        return np.arange(offsets[0], offsets[-1] + 1)
    return np.array(offsets, np.int64)


def _select(plan: Plan, table: Table, outer: Outer, ledger: Ledger) -> tuple[Table, list[str], IntArray] | None:
    """Refuse rows without a usable id or time, and leave out what the sample does not keep."""
    ids, all_texts = _ids(plan, table, outer)
    times = _times(plan, table, outer)
    keep = np.ones(len(ids), bool)
    if not all_texts:
        for row, found in enumerate(ids):
            if not isinstance(found, str):
                keep[row] = False
                _refuse(plan, table, ledger, row, "missing_id" if found is None else "bad_id")
    texts: list[str] = [found if isinstance(found, str) else "" for found in ids] if not keep.all() else ids  # type: ignore[assignment]  # all are texts
    if plan.stream.sample < 1:
        sampled = kept(texts, plan.stream.sample)
        ledger.count("unsampled", int(np.count_nonzero(keep & ~sampled)), plan.schema.model)
        keep &= sampled
    for row in np.flatnonzero(keep & (times < 0)).tolist():
        _refuse(plan, table, ledger, row, "missing_time" if times[row] == MISSING else "bad_time")
    keep &= times >= 0
    if keep.all():
        return (table, texts, times) if texts else None
    rows = np.flatnonzero(keep).tolist()
    return (table.take(rows), [texts[row] for row in rows], times[keep]) if rows else None


def _refuse(plan: Plan, table: Table, ledger: Ledger, row: int, reason: Reason) -> None:
    mapped = plan.stream.map
    number = None if table.numbers is None else table.numbers[row]
    at = mapped.id if reason.endswith("_id") else mapped.time
    ledger.refuse(table.records[row], reason, plan.schema.model, row=number, at=at)


def usable(plan: Plan, table: Table, outer: Outer) -> list[int]:
    """Return the rows that have an id and a time, and so are not refused."""
    times = _times(plan, table, outer)
    ids, _ = _ids(plan, table, outer)
    return [row for row, found in enumerate(ids) if isinstance(found, str) and times[row] >= 0]


def _ids(plan: Plan, table: Table, outer: Outer) -> tuple[list[str | Wrong | None], bool]:
    """Return the ids, and whether it is known that all are texts."""
    parts: list[list[str | Wrong | None]] = []
    all_texts = True
    for part in plan.id:
        if isinstance(part, str):
            parts.append([part] * len(table.records))
            continue
        found = fetch(table, outer, "id", part)
        quick = not table.careful and part.root == "value" and set(map(type, found)) == {str} and all(found)
        all_texts = all_texts and quick
        parts.append(found if quick else [ident(value) for value in found])  # type: ignore[arg-type]  # all are str
    return parts[0] if len(parts) == 1 else [_joined(texts) for texts in zip(*parts, strict=True)], all_texts


def _joined(parts: Sequence[str | Wrong | None]) -> str | Wrong | None:
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "".join(texts)
    return None if None in parts else Wrong.WRONG


def _times(plan: Plan, table: Table, outer: Outer) -> IntArray:
    return times_of(plan, fetch(table, outer, "time", plan.time))


def times_of(plan: Plan, found: Values) -> IntArray:
    """Return event times of what stands at the plan's time, one a value; negative where there is none."""
    if plan.time.root == "timestamp":
        return parse_times(found, "epoch_us")
    if plan.textual(plan.time) and plan.stream.time_format != "rfc3339":
        found = [plain(value) for value in found]
    return parse_times(found, plan.stream.time_format)


def _versions(plan: Plan, table: Table, outer: Outer, ledger: Ledger) -> list[str]:
    if plan.version is None:
        return [""] * len(table.records)
    found = fetch(table, outer, "text", plan.version)
    if type(found[0]) is str and not table.careful and found.count(found[0]) == len(found):
        return [found[0]] * len(found)  # one object, which is hashed once
    if not table.careful and plan.version.root == "value" and set(map(type, found)) == {str}:
        return found  # type: ignore[return-value]  # the line above is the proof
    texts = [category(value) for value in found]
    ledger.count("bad_version", sum(isinstance(text, Wrong) for text in texts), plan.schema.model)
    return [text if isinstance(text, str) else "" for text in texts]


def _columns(plan: Plan, table: Table, outer: Outer, ledger: Ledger) -> tuple[dict[str, Column], dict[str, IntArray]]:
    cells = plan.cells()
    columns, bad = table.columns(cells)
    for cell in cells:
        if cell.path.root not in INNER and cell.kind not in {"unknown", "ignore"}:
            values = fetch(table, outer, "flag", cell.path)
            if cell.kind == "numeric" and plan.textual(cell.path):
                values = [plain(value) for value in values]
            columns[cell.name], bad[cell.name] = make_column(cell, values, careful=True)
    bad = {name: rows for name, rows in bad.items() if len(rows)}
    projections = plan.schema.projections
    if not plan.schema.sizes:
        return columns, bad
    ledger.count("vector_size", _wrong_sizes(plan, table, outer, columns, bad), plan.schema.model)
    return (columns, bad) if projections is None else projected(columns, bad, projections)


def _wrong_sizes(
    plan: Plan, table: Table, outer: Outer, columns: Mapping[str, Column], bad: Mapping[str, IntArray]
) -> int:
    """Return how many vectors have another length than is configured or projected."""
    wrong = 0
    for cell in plan.cells():
        cells = columns.get(cell.name)
        if cell.kind != "vector" or cells is None or isinstance(cells, list):
            continue
        if (rows := bad.get(cell.name)) is not None:
            values = fetch(table, outer, "vector", cell.path)
            lists = [value for value in map(values.__getitem__, rows.tolist()) if isinstance(value, list)]
            wrong += sum(len(value) != cell.size for value in lists)
        projection = (plan.schema.projections or {}).get(cell.name)
        if projection is not None and projection.size != cell.size:
            wrong += int(np.count_nonzero(present(cells)))
    return wrong
