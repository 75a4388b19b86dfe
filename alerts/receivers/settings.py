"""What a configuration says of receivers, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """One receiver as it is configured.

    Parameters
    ----------
    name
        What routes call it.
    kind
        ``webhook``, ``slack``, ``pagerduty``, ``alertmanager``, ``teams``, ``email``, ``kafka`` or ``apprise``.
    options
        The keys of that kind. A secret is a text, a ``Secret``, or a file under the key with ``_file`` behind it.
    """

    name: str
    kind: str
    options: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a receiver; values are never quoted, since they may be secrets.

    >>> print(Problem(0, "url", "is missing", "give url or url_file"))
    receivers[0].url: is missing; give url or url_file
    """

    index: int
    """Which receiver, counted from 0."""
    key: str
    """Which of its keys; empty for the whole."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        path = f"receivers[{self.index}]{f'.{self.key}' if self.key else ''}"
        return f"{path}: {self.message}{f'; {self.hint}' if self.hint else ''}"


class ReceiversError(Exception):
    """Receivers cannot be built; ``problems`` holds all that is wrong with any of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))
