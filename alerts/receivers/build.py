"""From settings to receivers."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.notification import Notifier
from alerts.receivers.kinds import KINDS
from alerts.receivers.options import build_one
from alerts.receivers.parts import Parts
from alerts.receivers.settings import Problem, ReceiversError, ReceiverSettings


def build_receivers(settings: Sequence[ReceiverSettings], parts: Parts | None = None) -> dict[str, Notifier]:
    """Return the receivers by name; nothing is connected yet.

    Parameters
    ----------
    settings
        What is configured, in the order of the file.
    parts
        What they share.

    Raises
    ------
    ReceiversError
        If anything is wrong, with all that is wrong, by the keys of the configuration.

    Examples
    --------
    >>> hook = ReceiverSettings("ops", "webhook", {"url": "https://ops.example/hook"})
    >>> list(build_receivers([hook]))
    ['ops']
    """
    shared = parts or Parts()
    problems: list[Problem] = []
    built: dict[str, Notifier] = {}
    names: set[str] = set()
    for index, one in enumerate(settings):
        if not one.name:
            problems.append(Problem(index, "name", "is missing"))
        elif one.name in names:
            problems.append(Problem(index, "name", "used by another receiver"))
        names.add(one.name)
        receiver = build_one(KINDS, one, index, problems, shared)
        if receiver is not None:
            built[one.name] = receiver
    if problems:
        raise ReceiversError(problems)
    return built
