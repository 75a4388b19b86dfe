"""Which records are worth a model's full parse: by headers, and by a tiny struct of what decides that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.decoding.cells import LONGEST_TEXT, Values, category, ident
from monitor.decoding.outer import Outer
from monitor.decoding.paths import Path
from monitor.decoding.plan import Plan
from monitor.decoding.sampling import kept
from monitor.decoding.text import PARSE_ERRORS
from monitor.decoding.typed import Objects, Shape, Use
from monitor.events import Records

_MOST_KEYS: Final = 10_000


@dataclass(slots=True)
class _Glance:
    """What a tiny struct read out of the candidates."""

    groups: dict[tuple[object, ...], list[int]]
    """Records by what stands at the ``where`` paths."""
    unread: list[int] = field(default_factory=list)
    """Records that the tiny struct refused; the full parse says why."""
    ids: dict[Path, dict[int, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Routed:
    """One model's candidates, and the records of the model that its sample drops."""

    candidates: Sequence[int]
    unsampled: Sequence[int] = ()


class Router:
    """Leaves out, model by model, what its ``where`` or its sample surely drops; the full parse decides on the rest."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        self._sampled = [_sample_path(plan) for plan in plans]
        self._paths = sorted({path for plan in plans for path, _ in plan.where if _tiny(plan, path)}, key=str)
        self._ids = {path for path in self._sampled if path is not None and path.root == "value"}
        uses: list[tuple[Use, Path]] = [("text", path) for path in self._paths]
        self._shape = Shape([*uses, *(("id", path) for path in self._ids)], "rfc3339")
        self._claims: dict[tuple[object, ...], list[int]] = {}

    @property
    def samples(self) -> bool:
        """Whether some model's sample can be taken here."""
        return any(path is not None for path in self._sampled)

    def route(
        self, records: Records, candidates: Sequence[int], outers: Sequence[Outer], *, parse: bool
    ) -> list[Routed]:
        """Return each model's candidates, in order.

        ``parse`` says whether values may be looked at; without it, only what stands around them decides.
        """
        if parse and (self._paths or self._ids):
            glance = self._glance(records, candidates)
            chosen = self._assign(glance)
        else:
            glance = _Glance({})
            chosen = [candidates for _ in self._plans]
        routed = []
        for plan, path, mine, outer in zip(self._plans, self._sampled, chosen, outers, strict=True):
            fitting = _by_outer(plan, mine, outer)
            routed.append(Routed(fitting) if path is None else _sample(plan, path, fitting, glance, outer))
        return routed

    def _glance(self, records: Records, candidates: Sequence[int]) -> _Glance:
        objects: list[Any] = []
        rows: list[int] = []
        glance = _Glance({})
        for index in candidates:
            text = records.values[index] or b""
            try:
                objects.append(self._shape.decode(text))
            except PARSE_ERRORS:
                glance.unread.append(index)
            else:
                rows.append(index)
        parsed = Objects(objects)
        keys = zip(*(_texts(self._shape.values("text", path, parsed)) for path in self._paths), strict=True)
        for index, key in zip(rows, keys if self._paths else [()] * len(rows), strict=True):
            glance.groups.setdefault(key, []).append(index)
        for path in self._ids:
            glance.ids[path] = dict(zip(rows, self._shape.values("id", path, parsed), strict=True))
        return glance

    def _assign(self, glance: _Glance) -> list[Sequence[int]]:
        chosen: list[list[int]] = [list(glance.unread) for _ in self._plans]
        for key, members in glance.groups.items():
            for place in self._claimants(key):
                chosen[place] += members
        for mine in chosen:
            mine.sort()
        return [*chosen]

    def _claimants(self, key: tuple[object, ...]) -> list[int]:
        """Return which plans admit these values, remembered as long as there are few of them."""
        if key not in self._claims:
            if len(self._claims) >= _MOST_KEYS:
                self._claims.clear()
            found = dict(zip(self._paths, key, strict=True))
            self._claims[key] = [
                place
                for place, plan in enumerate(self._plans)
                if all(found[path] == wanted for path, wanted in plan.where if _tiny(plan, path))
            ]
        return self._claims[key]


def _short(values: Values) -> bool:
    """Whether all are texts that need no care: msgspec made them, and they are short."""
    return set(map(type, values)) == {str} and max(map(len, values)) <= LONGEST_TEXT // 4  # type: ignore[arg-type]


def _texts(values: Values) -> Values:
    return values if _short(values) else [category(value) for value in values]


def _tiny(plan: Plan, path: Path) -> bool:
    """Whether a path leads through fields of the value alone."""
    unwrapped = any(path.within(outer) for outer in plan.decodes)
    return path.root == "value" and bool(path.steps) and not unwrapped and all(isinstance(s, str) for s in path.steps)


def _sample_path(plan: Plan) -> Path | None:
    """Return where the id stands, if the sample can be taken by it before the record is parsed."""
    if plan.stream.sample >= 1 or plan.explode is not None or len(plan.id) > 1:
        return None
    path = plan.id[0]
    if not isinstance(path, Path) or not (path.root != "value" or _tiny(plan, path)):
        return None
    return path if all(p.root != "value" or _tiny(plan, p) for p, _ in plan.where) else None


def _by_outer(plan: Plan, candidates: Sequence[int], outer: Outer) -> Sequence[int]:
    for path, wanted in plan.where:
        if path.root != "value":
            values = outer.values(path)
            candidates = [index for index in candidates if category(values[index]) == wanted]
    return candidates


def _sample(plan: Plan, path: Path, candidates: Sequence[int], glance: _Glance, outer: Outer) -> Routed:
    """Leave out what the sample drops; what has no usable id, or could not be read, stays to be refused."""
    found = glance.ids.get(path, {}) if path.root == "value" else dict(enumerate(outer.values(path)))
    rows = [index for index in candidates if index in found]
    values = [found[index] for index in rows]
    quick = path.root == "value" and _short(values) and all(values)
    names: Values = values if quick else [ident(value) for value in values]
    ids = {index: name for index, name in zip(rows, names, strict=True) if isinstance(name, str)}
    keep = kept(list(ids.values()), plan.stream.sample)
    dropped = {index for index, stays in zip(ids, keep.tolist(), strict=True) if not stays}
    return Routed([index for index in candidates if index not in dropped], sorted(dropped))
