"""From a kind and River's parameter names to a kernel, or to all that is wrong with them at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from detectors.concept.kernel import Kernel
from detectors.concept.kinds import KINDS, Kind
from detectors.concept.ranges import Value


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one parameter; ``name`` is empty where it is the kind itself."""

    name: str
    message: str
    hint: str = ""
    """What may have been meant."""

    def __str__(self) -> str:
        return (f"{self.name}: " if self.name else "") + self.message + (f"; {self.hint}" if self.hint else "")


class ParameterError(ValueError):
    """A detector that cannot be made; ``problems`` has one entry for everything that is wrong."""

    def __init__(self, kind: str, problems: Sequence[Problem]) -> None:
        super().__init__(f"detector {kind!r}: " + ", and ".join(map(str, problems)))
        self.kind = kind
        self.problems = tuple(problems)


def complete(kind: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return every parameter of a kind in River's order: as given, otherwise River's default.

    Raises
    ------
    ParameterError
        When there is no such kind, or a parameter is unknown, of the wrong type, out of range, or at odds with another.

    Examples
    --------
    >>> complete("ddm", {"warm_start": 100})
    {'warm_start': 100, 'warning_threshold': 2.0, 'drift_threshold': 3.0}
    >>> complete("adwin", {"detla": 0.01})
    Traceback (most recent call last):
    detectors.concept.parameters.ParameterError: detector 'adwin': detla: unknown parameter; did you mean delta?
    """
    if kind not in KINDS:
        raise ParameterError(kind, [Problem("", "no such kind", _hint(kind, list(KINDS)))])
    chosen = KINDS[kind]
    values = defaults(chosen) | dict(given)
    problems = list(_problems(chosen, values))
    if not problems:
        for relation in chosen.relations:
            complaint = relation.complaint(values)
            if complaint is not None:
                problems.append(Problem(relation.smaller, complaint))
    if problems:
        raise ParameterError(kind, problems)
    return values


def kernel(kind: str, given: Mapping[str, Value]) -> Kernel:
    """Return the recursion of a kind with some parameters; raise as :func:`complete` does."""
    values = complete(kind, given)
    return KINDS[kind].make(**values)


def defaults(kind: Kind) -> dict[str, Value]:
    """Return the parameters that can be configured with their defaults, in River's order."""
    signature = inspect.signature(kind.river).parameters
    return {
        name: kind.defaults.get(name, parameter.default) for name, parameter in signature.items() if name in kind.ranges
    }


def _problems(kind: Kind, values: Mapping[str, Value]) -> Iterator[Problem]:
    for name, value in values.items():
        allowed = kind.ranges.get(name)
        if allowed is None:
            if name in inspect.signature(kind.river).parameters:
                yield Problem(name, "is a state of River's, not a parameter; it cannot be configured")
            else:
                yield Problem(name, "unknown parameter", _hint(name, list(kind.ranges)))
            continue
        complaint = allowed.complaint(value)
        if complaint is not None:
            yield Problem(name, complaint)


def _hint(word: str, known: list[str]) -> str:
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
