"""Everything that is no plain object of fields: rows in lists, positional features, texts within texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.config.root import LimitsConfig
from monitor.decoding.assemble import Ledger, assemble, fetch, matching, usable
from monitor.decoding.outer import Outer, unwrap
from monitor.decoding.paths import EACH, WRONG, Path, Step, follow
from monitor.decoding.plan import Plan
from monitor.decoding.reading import Reading, learn_fields, learn_outer
from monitor.decoding.reasons import Reason
from monitor.decoding.tables import LooseTable, Table
from monitor.decoding.text import NotJsonError, load
from monitor.events import Records


class LooseEngine:
    """Reads records as untyped documents and takes rows out of them."""

    def __init__(self, plan: Plan, limits: LimitsConfig) -> None:
        self.plan = plan
        self._limits = limits
        heads = {path.steps[0] for path in plan.paths() if path.root == "value" and path.steps}
        self._shape: type = dict if all(isinstance(head, str) for head in heads) else list
        self._unwrapped = [(path, how) for path, how in plan.decodes.items() if path.root == "value"]
        self._rows, self._below = _split(plan.explode) if plan.explode is not None else ((), ())
        beside = {_split(path)[0] for path in plan.paths() if EACH in path.steps}
        self._beside = sorted(beside - {self._rows}, key=str)

    def read(self, records: Records, candidates: Sequence[int], outer: Outer, ledger: Ledger) -> Reading:
        """Return the batch, the records of other models, and what could not be parsed."""
        plan, reading, odd = self.plan, Reading(), set[int]()
        documents: list[object] = []
        kept: list[int] = []
        for index in candidates:
            document = self._document(records.values[index] or b"", index, odd)
            if not isinstance(document, self._shape):
                reading.unreadable.append((index, "not_json" if document is WRONG else "not_a_row"))
            else:
                documents.append(document)
                kept.append(index)
        table = LooseTable(plan, documents, documents, kept, None)
        fits = matching(plan, lambda path: fetch(table, outer, "text", path), len(kept))
        if fits is not None:
            chosen = set(fits)
            reading.unmatched = [index for row, index in enumerate(kept) if row not in chosen]
            table = table.take(fits)
        if plan.explode is not None:
            table = self._explode(table, ledger)
        if plan.positional is not None:
            table = self._checked(table, ledger)
        if plan.learning:
            self._learn(table.take(usable(plan, table, outer)), outer, ledger)
        reading.batch = assemble(plan, table, outer, ledger, odd, self._features)
        return reading

    def _document(self, text: bytes, index: int, odd: set[int]) -> object:
        """Return the value with the texts within it read; ``WRONG`` where it is no JSON."""
        unwrapped = self._unwrapped
        if unwrapped and not unwrapped[0][0].steps:
            document = unwrap(text.decode("utf-8", "surrogateescape"), unwrapped[0][1], self._limits)
            unwrapped = unwrapped[1:]
        else:
            try:
                document, strange, _ = load(text)
            except NotJsonError:
                return WRONG
            if strange:
                odd.add(index)
        for path, how in unwrapped:
            holder, last = follow(document, path.steps[:-1]), path.steps[-1]
            inner = unwrap(follow(holder, (last,)), how, self._limits)
            if inner is not None and isinstance(holder, dict | list):
                holder[last] = inner  # type: ignore[index]  # follow found it by the same step
        return document

    def _explode(self, table: LooseTable, ledger: Ledger) -> LooseTable:
        documents: list[object] = []
        rows: list[object] = []
        records: list[int] = []
        numbers: list[int] = []
        for document, index in zip(table.documents, table.records, strict=True):
            found = follow(document, self._rows)
            reason = self._refusal(document, found)
            if reason is not None:
                ledger.refuse(index, reason, self.plan.schema.model, at=self.plan.stream.explode)
            elif isinstance(found, list):
                ledger.count("no_rows", int(not found), self.plan.schema.model)
                rows += [follow(row, self._below) for row in found]
                documents += [document] * len(found)
                records += [index] * len(found)
                numbers += range(len(found))
        return LooseTable(self.plan, documents, rows, records, numbers)

    def _refusal(self, document: object, found: object) -> Reason | None:
        if not isinstance(found, list):
            return "not_a_row"
        if len(found) > self._limits.max_rows_per_record:
            return "too_many_rows"
        beside = (follow(document, steps) for steps in self._beside)
        if any(other is not None and not _as_long(other, len(found)) for other in beside):
            return "row_count_mismatch"
        return None

    def _checked(self, table: LooseTable, ledger: Ledger) -> LooseTable:
        """Refuse rows whose list of features is longer or shorter than their names."""
        path, names = self.plan.positional, self.plan.stream.feature_names
        if path is None or names is None or path.root not in {"value", "row"}:
            return table
        keep = []
        for row, values in enumerate(table.values("flag", path)):
            if isinstance(values, list) and len(values) != len(names):
                number = None if table.numbers is None else table.numbers[row]
                model, at = self.plan.schema.model, self.plan.stream.map.features
                ledger.refuse(table.records[row], "feature_count_mismatch", model, row=number, at=at)
            else:
                keep.append(row)
        return table if len(keep) == len(table.rows) else table.take(keep)

    def _learn(self, table: LooseTable, outer: Outer, ledger: Ledger) -> None:
        plan = self.plan
        learn_outer(plan, outer, table.records)
        overflow = sum(learn_fields(plan, features) for features in self._objects(table))
        ledger.count("feature_overflow", overflow, plan.schema.model)
        for cell in plan.named or ():
            if cell.path.root in {"value", "row"} and plan.kind(cell.name) == "unknown":
                for value in table.values("flag", cell.path):
                    plan.learn(cell.name, value, cell.path)

    def _features(self, table: Table, rows: Sequence[int]) -> Iterator[object]:
        """Yield the object of features of some rows."""
        found = list(self._objects(table.take(rows)))
        yield from found or [None] * len(rows)

    def _objects(self, table: Table) -> Iterator[object]:
        features = self.plan.features
        if features is not None and features.root in {"value", "row"}:
            yield from table.values("flag", features)


def _split(path: Path) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    at = path.steps.index(EACH)
    return path.steps[:at], path.steps[at + 1 :]


def _as_long(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length
