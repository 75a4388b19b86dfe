"""Records that are objects of fields: read into generated structs, refused ones rebuilt cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, Final

import msgspec

from monitor.decoding.assemble import Ledger, assemble, fetch, matching, times_of, usable
from monitor.decoding.cells import LONGEST_TEXT, category, ident
from monitor.decoding.looking import knows_all_fields
from monitor.decoding.outer import Outer
from monitor.decoding.paths import Path, follow
from monitor.decoding.plan import Plan
from monitor.decoding.reading import Reading, learn_fields, learn_outer
from monitor.decoding.reasons import Reason
from monitor.decoding.tables import Table, TypedTable
from monitor.decoding.text import PARSE_ERRORS, NotJsonError, load, repair
from monitor.decoding.typed import Objects, Shape, Use, can_type
from monitor.events import Batch, Records

_OFTEN: Final = 0.05
_ENOUGH: Final = 50


class TypedEngine:
    """Reads records that are objects of fields.

    A column that is often bad is read untyped from then on, so that its rows no longer take the slow way; results are
    the same.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._loose: set[Path] = set()
        self._shape = self._make_shape()

    @cached_property
    def _knows_all_fields(self) -> Callable[[bytes], bool]:
        return knows_all_fields(self.plan)

    @staticmethod
    def fits(plan: Plan) -> bool:
        """Whether fields of objects are all that the plan reads."""
        inner = [path for path in plan.paths() if path.root == "value" and path != plan.features]
        looks_into = plan.features is None or all(isinstance(step, str) for step in plan.features.steps)
        unwraps = any(path.root == "value" for path in plan.decodes)
        rows = plan.explode is not None or plan.positional is not None
        return looks_into and not unwraps and not rows and all(map(can_type, inner))

    def _make_shape(self) -> Shape:
        plan = self.plan
        uses: list[tuple[Use, Path]] = [("id", part) for part in plan.id if isinstance(part, Path)]
        uses.append(("time", plan.time))
        texts = [plan.version, *(path for path, _ in plan.where)]
        uses += [("text", path) for path in texts if path is not None]
        uses += [(cell.kind, cell.path) for cell in plan.cells() if plan.learning or cell.kind != "ignore"]
        lenient = [cell.path for cell in plan.cells() if cell.lenient]
        return Shape(uses, plan.stream.time_format, self._loose, plan.features if plan.learning else None, lenient)

    def read(self, records: Records, candidates: Sequence[int], outer: Outer, ledger: Ledger) -> Reading:
        """Return the batch, the records of other models, and what could not be parsed."""
        plan = self.plan
        known = dict(plan.learnt)
        parse = _Parse(plan, self._shape, records, outer)
        table = parse.run(candidates)
        if plan.learnt != known:  # a struct with the new columns reads the chunk again, and learns no more
            self._shape = self._make_shape()
            parse = _Parse(plan, self._shape, records, outer)
            table = parse.run(candidates)
        ledger.count("feature_overflow", parse.overflow, plan.schema.model)
        reading = Reading(unreadable=parse.unreadable)
        fits = matching(plan, lambda path: fetch(table, outer, "text", path), len(table.records))
        if fits is not None:
            chosen = set(fits)
            reading.unmatched = [index for row, index in enumerate(table.records) if row not in chosen]
            table = table.take(fits)
        if plan.learning:
            learn_outer(plan, outer, [table.records[row] for row in usable(plan, table, outer)])
        reading.batch = assemble(plan, table, outer, ledger, parse.odd, partial(self._features, records))
        self._loosen(reading.batch)
        return reading

    def _features(self, records: Records, table: Table, rows: Sequence[int]) -> Iterator[object]:
        """Yield the whole object of features of some rows, which the struct does not keep; ``None`` if all is known."""
        steps = () if self.plan.features is None else self.plan.features.steps
        for row in rows:
            text = records.values[table.records[row]] or b""
            yield None if self._knows_all_fields(text) else follow(load(text)[0], steps)

    def _loosen(self, batch: Batch | None) -> None:
        if batch is None or len(batch) < _ENOUGH:
            return
        often = {name for name, rows in batch.bad.items() if len(rows) > _OFTEN * len(batch)}
        paths = {cell.path for cell in self.plan.cells() if cell.name in often} - self._loose
        if paths:
            self._loose |= paths
            self._shape = self._make_shape()


class _Parse:
    """One pass over the candidates of one chunk."""

    def __init__(self, plan: Plan, shape: Shape, records: Records, outer: Outer) -> None:
        self._plan = plan
        self._shape = shape
        self._values = records.values
        self._outer = outer
        self.unreadable: list[tuple[int, Reason]] = []
        self.odd: set[int] = set()
        self.overflow = 0
        self._careful = False

    def run(self, candidates: Sequence[int]) -> TypedTable:
        """Return the candidates that can be parsed."""
        values = self._values
        chosen = values if len(candidates) == len(values) else [values[index] for index in candidates]
        objects: list[Any] = []
        decoded = map(self._shape.decode, chosen)  # type: ignore[arg-type]  # candidates have values
        while len(objects) + len(self.unreadable) < len(candidates):
            try:
                objects.extend(decoded)  # up to the first that is refused; the next turn goes on behind it
            except PARSE_ERRORS as error:
                index = candidates[len(objects) + len(self.unreadable)]
                odd = not isinstance(error, msgspec.ValidationError)
                self._recover(index, values[index] or b"", objects, odd=odd)
        rows = candidates
        if self.unreadable:
            lost = {index for index, _ in self.unreadable}
            rows = [index for index in candidates if index not in lost]
        careful = self._careful or self._outer.longest > LONGEST_TEXT
        return TypedTable(self._shape, Objects(objects), rows, careful)

    def _recover(self, index: int, text: bytes, objects: list[Any], *, odd: bool) -> None:
        """Read a record that the struct refused: without what is no JSON, else cell by cell."""
        if odd:
            self.odd.add(index)
        repaired = repair(text)
        if repaired is not text:
            try:
                objects.append(self._shape.decode(repaired))
            except PARSE_ERRORS:
                pass  # more is wrong than that
            else:
                return
        try:
            document, _, tolerant = load(repaired)
        except NotJsonError:
            self.unreadable.append((index, "not_json"))
            return
        if not isinstance(document, dict):
            self.unreadable.append((index, "not_a_row"))
            return
        if self._plan.learning and self._is_row(document, index):
            self._learn(document)
        self._careful = self._careful or tolerant
        objects.append(self._shape.rebuild(document))

    def _is_row(self, document: dict[str, object], index: int) -> bool:
        """Whether a record has an id and a time; one that will be refused teaches nothing."""

        def at(path: Path) -> object:
            return follow(document, path.steps) if path.root == "value" else self._outer.values(path)[index]

        named = all(isinstance(ident(at(part)), str) for part in self._plan.id if isinstance(part, Path))
        return named and int(times_of(self._plan, [at(self._plan.time)])[0]) >= 0

    def _learn(self, document: dict[str, object]) -> None:
        plan = self._plan
        for path, wanted in plan.where:
            if path.root == "value" and category(follow(document, path.steps)) != wanted:
                return
        for cell in plan.named or ():
            if cell.path.root == "value":
                plan.learn(cell.name, follow(document, cell.path.steps), cell.path)
        if plan.features is not None:
            self.overflow += learn_fields(plan, follow(document, plan.features.steps))
