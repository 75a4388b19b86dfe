"""What is wrong with a configuration, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias

Step: TypeAlias = str | int
Steps: TypeAlias = tuple[Step, ...]

UNREADABLE: Final = "E100"
SYNTAX: Final = "E101"
DUPLICATE: Final = "E102"
WRONG_TYPE: Final = "E103"
UNKNOWN_KEY: Final = "E104"
MISSING_KEY: Final = "E105"
WRONG_VALUE: Final = "E106"
INTERPOLATION: Final = "E107"
CONFLICT: Final = "E108"
INCONSISTENT: Final = "E109"
NOT_FOUND: Final = "E110"
UNREACHABLE: Final = "E201"
WARNING: Final = "W101"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, or, when the code begins with W, that deserves a second look.

    Neither ``message`` nor ``hint`` ever holds a value of the file: what stands there may be a secret.

    Examples
    --------
    >>> print(Problem("a.yaml", 8, 9, "models[0].nmae", "unknown key", "did you mean name?", "E104"))
    a.yaml:8:9: models[0].nmae: unknown key; did you mean name? [E104]
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    code: str = WRONG_VALUE

    @classmethod
    def at(cls, place: Place, steps: Steps, message: str, hint: str = "", code: str = WRONG_VALUE) -> Problem:
        """Build a problem from its place and its way through the file."""
        return cls(place.file, place.line, place.column, spell(steps), message, hint, code)

    @property
    def is_warning(self) -> bool:
        """Whether the service starts all the same."""
        return self.code.startswith("W")

    def __str__(self) -> str:
        parts = [f"{self.file}:{self.line}:{self.column}", *([self.path] if self.path else []), self.message]
        return f"{': '.join(parts)}{'; ' if self.hint else ''}{self.hint} [{self.code}]"


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` says all that is wrong, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def spell(steps: Steps) -> str:
    """Return a way through the file as people write it.

    >>> spell(("models", 0, "features", "a.b"))
    'models[0].features["a.b"]'
    """
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif set(step) & set('.[]{}:" '):
            text += f'["{step}"]'
        else:
            text += f".{step}" if text else step
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a hint that names the known word nearest to ``word``; without one nearby, the words to choose from.

    >>> did_you_mean("alhpa", ["alpha", "window"]), did_you_mean("zzz", ["a", "b"])
    ('did you mean alpha?', 'known here: a, b')
    """
    near = get_close_matches(word, known, n=1, cutoff=0.6) or get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(known)}" if 0 < len(known) <= 24 else ""
