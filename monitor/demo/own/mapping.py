"""Which column is what: what the names suggest, what the person said, what is left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.decoding.schema import is_reserved
from monitor.demo.own.columns import Kind, Sample
from monitor.demo.own.moments import TimeForm

ROLES: Final = ("score", "prediction", "label", "latency", "error")
NONE: Final = "none"
"""What a person writes where there is no such column."""
MOST_FEATURES: Final = 1000
_NUMBERS: Final = frozenset({"number", "number, decimal comma"})
_ENOUGH: Final = 0.5
"""A column that a person calls the time must hold times in so many of its rows."""
_SURE: Final = 0.95
_LONGEST: Final = 200
_NOT_IN_NAMES = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_POSITION = re.compile(r"f\d+", re.ASCII)


class NoSuchColumnError(Exception):
    """A column that the person named cannot be what they said."""


@dataclass(frozen=True)
class Feature:
    """One feature: its name in the records, and the column it comes from."""

    name: str
    column: str
    kind: Kind


@dataclass
class Guessed:
    """What the names of the columns suggest, as columns; ``""`` where there is nothing."""

    time: str = ""
    id: str = ""
    version: str = ""
    model: str = ""
    """The column that tells models apart, in a log of several."""
    roles: dict[str, str] = field(default_factory=dict)
    inside: str = ""
    """What the names of all features begin with, such as ``features.``; empty where any column may be one."""
    positional: bool = False
    """Whether the features are ``f0``, ``f1`` …"""
    task: str = "binary_classification"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the person said about columns; ``None`` where they said nothing."""

    time: str | None = None
    id: str | None = None
    version: str | None = None
    score: str | None = None
    prediction: str | None = None
    label: str | None = None
    ignored: Sequence[str] = ()


@dataclass
class Choice:
    """What becomes of each column; ``""`` where there is none for a role."""

    time: str = ""
    form: TimeForm | None = None
    id: str = ""
    version: str = ""
    model: str = ""
    model_name: str = ""
    """Only the rows of this model are taken, where the log has several."""
    roles: dict[str, str] = field(default_factory=dict)
    features: list[Feature] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Column → why it is no feature."""
    task: str = "binary_classification"
    notes: list[str] = field(default_factory=list)
    """What the person should know."""

    @property
    def taken(self) -> set[str]:
        """Columns that have a role."""
        return {self.time, self.id, self.version, self.model, *self.roles.values()} - {""}


def choose(sample: Sample, guessed: Guessed, said: Said) -> Choice:
    """Decide what each column is.

    Parameters
    ----------
    sample
        The first rows.
    guessed
        What the names suggest.
    said
        What the person said, which holds before anything that was guessed.

    Raises
    ------
    NoSuchColumnError
        When they named a column that is not there or cannot be what they say.
    """
    for name in (said.time, said.id, said.version, said.score, said.prediction, said.label, *said.ignored):
        if name is not None and name not in sample.columns and name != NONE:
            raise NoSuchColumnError(f"no column {name!r}; there are: {_listed(sample.columns)}")
    found = Choice(task=guessed.task)
    found.time, found.form = _time(sample, guessed, said, found.notes)
    found.id = _one(said.id, guessed.id)
    found.version = _one(said.version, guessed.version)
    for role in ROLES:
        column = _one(getattr(said, role, None), guessed.roles.get(role, ""))
        if column:
            found.roles[role] = column
    _one_role_each(found, said)
    _check_score(sample, found, said)
    if guessed.inside:
        _one_model(sample, guessed.model, found)
    _features(sample, guessed, set(said.ignored), found)
    return found


def _one(said: str | None, guessed: str) -> str:
    return guessed if said is None else "" if said == NONE else said


def _listed(names: Iterable[str], most: int = 20) -> str:
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(map(repr, known[:most])) + more


def _time(sample: Sample, guessed: Guessed, said: Said, notes: list[str]) -> tuple[str, TimeForm | None]:
    """Return the column of times and how they are written; without a likely name, the first column that holds times."""
    if said.time == NONE:
        return "", None
    if said.time is not None:
        form, share = sample.columns[said.time].form
        if form is None or share < _ENOUGH:
            raise NoSuchColumnError(f"{said.time!r} holds times in {share:.0%} of its first {sample.rows:,} rows")
        return said.time, form
    by_kind = [name for name, column in sample.columns.items() if column.kind == "time"]
    for name in (guessed.time, *by_kind):
        if name and name in sample.columns:
            form, share = sample.columns[name].form
            if form is not None and share >= _SURE:
                return name, form
    for name, column in sample.columns.items():
        if column.kind == "category" and column.form[1] >= _ENOUGH:
            notes.append(
                f"{name} holds times in {column.form[1]:.0%} of its rows; --time {name!r} takes those rows only"
            )
    return "", None


def _one_role_each(found: Choice, said: Said) -> None:
    """Let a column keep one role: the one that the person gave it, else the first."""
    stated = {role: getattr(said, role) for role in ("score", "prediction", "label") if getattr(said, role) is not None}
    taken = {found.time, found.id, found.version} - {""}
    for role, column in list(found.roles.items()):
        others = set(taken) | {other for name, other in stated.items() if name != role}
        if column in others:
            del found.roles[role]
            if role in stated:
                raise NoSuchColumnError(f"{column!r} cannot be both the {role} and something else")


def _check_score(sample: Sample, found: Choice, said: Said) -> None:
    column = found.roles.get("score", "")
    if not column or sample.columns[column].kind in _NUMBERS:
        return
    if said.score is not None:
        raise NoSuchColumnError(f"the score {column!r} must be a number")
    del found.roles["score"]


def _one_model(sample: Sample, model: str, found: Choice) -> None:
    """Take the rows of the commonest model, where a log holds several."""
    if not model or model not in sample.columns or model in found.taken:
        return
    counts = Counter(value for value in sample.columns[model].present if isinstance(value, str))
    found.model = model
    if len(counts) > 1:
        found.model_name = counts.most_common(1)[0][0]
        others = _listed(name for name in counts if name != found.model_name)
        found.notes.append(f"the rows of the model {found.model_name!r} are taken; there are others: {others}")


def _features(sample: Sample, guessed: Guessed, ignored: set[str], found: Choice) -> None:
    names: set[str] = set()
    for column in sample.columns.values():
        if column.name in found.taken:
            continue
        if column.name in ignored:
            reason: str | None = "as you said"
        else:
            reason = column.useless() if _may_be(column.name, guessed) else "beside the features"
        if reason is None and len(found.features) >= MOST_FEATURES:
            reason = f"more than {MOST_FEATURES:,} features"
        if reason is not None:
            found.left_out[column.name] = reason
            continue
        name = field_name(column.name.removeprefix(guessed.inside), names, len(names) + 1)
        names.add(name)
        found.features.append(Feature(name, column.name, column.kind))


def _may_be(name: str, guessed: Guessed) -> bool:
    if guessed.positional:
        return _POSITION.fullmatch(name) is not None
    return name.startswith(guessed.inside)


def field_name(text: str, taken: Collection[str], number: int) -> str:
    """Return a name under which a column can stand in a record: clean, short, not reserved, not taken.

    >>> field_name("amount", (), 1), field_name("volume", (), 1), field_name("", (), 3), field_name('a"b', {"a_b"}, 1)
    ('amount', 'volume_column', 'column_3', 'a_b_2')
    """
    name = _NOT_IN_NAMES.sub("_", text)[:_LONGEST] or f"column_{number}"
    if is_reserved(name):
        name = f"{name}_column"
    free, again = name, 2
    while free in taken:
        free, again = f"{name}_{again}", again + 1
    return free
