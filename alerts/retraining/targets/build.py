"""From settings to targets."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.receivers.options import build_one
from alerts.receivers.parts import Parts
from alerts.receivers.settings import Problem, ReceiversError, ReceiverSettings
from alerts.retraining.targets.kinds import KINDS
from alerts.retraining.targets.port import Target


def build_targets(settings: Sequence[ReceiverSettings], parts: Parts | None = None) -> dict[str, Target]:
    """Return the targets by name; nothing is connected yet.

    Parameters
    ----------
    settings
        Name, kind and keys of each, in the order of the file.
    parts
        What they share with receivers.

    Raises
    ------
    ReceiversError
        If anything is wrong, with all that is wrong, by the keys of the configuration.

    Examples
    --------
    >>> ci = ReceiverSettings("ci", "github", {"repository": "acme/fraud", "token": "t"})
    >>> build_targets([ci])["ci"].idempotent
    False
    """
    shared = parts or Parts()
    problems: list[Problem] = []
    built: dict[str, Target] = {}
    for index, one in enumerate(settings):
        target = build_one(KINDS, one, index, problems, shared)
        if target is not None:
            built[one.name] = target
    if problems:
        raise ReceiversError(problems)
    return built
