"""From settings to targets."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.receivers.options import Options, near
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
        build = KINDS.get(one.kind)
        if build is None:
            problems.append(Problem(index, "kind", f"not one of: {', '.join(KINDS)}", near(one.kind, tuple(KINDS))))
            continue
        options = Options(one, index, problems, shared)
        target = build(options)
        options.finish()
        if target is not None:
            built[one.name] = target
    if problems:
        raise ReceiversError(problems)
    return built
