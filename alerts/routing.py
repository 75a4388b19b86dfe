"""Which groups an alert belongs to: the tree of routes made flat, and the names of groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alerts.labels import digest
from alerts.matchers import Matcher, match_all
from alerts.policy import (
    DEFAULT_GROUP_BY,
    DEFAULT_INTERVAL,
    DEFAULT_REPEAT,
    DEFAULT_WAIT,
    EVERY_LABEL,
    PolicyError,
    Route,
)


@dataclass(frozen=True, slots=True)
class Branch:
    """A route with everything that it inherits."""

    place: str
    """Hash of the matchers on the way to it; part of the names of its groups, whatever the order of the routes."""
    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    group_wait: int
    group_interval: int
    repeat_interval: int
    carry_on: bool
    branches: tuple[Branch, ...]

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return the labels that name an alert's group."""
        if self.group_by == (EVERY_LABEL,):
            return dict(labels)
        return {name: labels.get(name, "") for name in self.group_by}

    @property
    def longest(self) -> int:
        """The longest time until a group's next turn."""
        return max(self.group_wait, self.group_interval)

    def everyone(self) -> Iterator[Branch]:
        """Yield this branch and all below it."""
        yield self
        for branch in self.branches:
            yield from branch.everyone()


@dataclass(frozen=True, slots=True)
class Group:
    """A group of alerts for one receiver."""

    key: str
    branch: Branch
    receiver: str
    labels: Mapping[str, str]
    shadow: bool = False
    """Whether nothing of it is sent."""


class Router:
    """Finds the groups of alerts.

    Raises
    ------
    PolicyError
        When a receiver of a route is not among ``receivers``.
    """

    def __init__(self, route: Route, receivers: frozenset[str]) -> None:
        self.root = _branch(route, None, "")
        self._receivers = receivers
        missing = sorted({branch.receiver for branch in self.root.everyone()} - receivers)
        if missing:
            raise PolicyError(f"no such receiver: {', '.join(missing)}")

    def branches(self, labels: Mapping[str, str]) -> list[Branch]:
        """Return the routes that take an alert: the deepest that match, the first of siblings unless it carries on."""
        return _taken(self.root, labels)

    def groups(self, labels: Mapping[str, str], *, shadow: bool = False) -> list[Group]:
        """Return the groups of an alert, one for every receiver and route.

        What is said about a receiver that fails goes to all others instead, if there are any.
        """
        failing = labels.get("receiver", "") if labels.get("alertname") == "DeliveryFailing" else ""
        groups: list[Group] = []
        for branch in self.branches(labels):
            names = [branch.receiver]
            if branch.receiver == failing:
                names = sorted(self._receivers - {failing}) or names
            groups += [self._group(branch, name, labels, shadow=shadow) for name in names]
        return list({group.key: group for group in groups}.values())

    def restored(self, key: str, receiver: str, labels: Mapping[str, str]) -> Group | None:
        """Return the group of a stored key; ``None`` when its receiver is gone."""
        if receiver not in self._receivers:
            return None
        kind, place = key.split("/", 1)[0], key.rsplit("/", 2)[-2]
        branch = next((each for each in self.root.everyone() if each.place == place), self.root)
        return Group(key, branch, receiver, labels, kind == "shadow")

    @staticmethod
    def _group(branch: Branch, receiver: str, labels: Mapping[str, str], *, shadow: bool) -> Group:
        chosen = branch.group_labels(labels)
        kind = "shadow" if shadow else "live"
        key = f"{kind}/{receiver}/{branch.place}/{digest(sorted(chosen.items()))}"
        return Group(key, branch, receiver, chosen, shadow)


def _taken(branch: Branch, labels: Mapping[str, str]) -> list[Branch]:
    found: list[Branch] = []
    for below in branch.branches:
        if match_all(below.matchers, labels):
            found += _taken(below, labels)
            if not below.carry_on:
                break
    return found or [branch]


def _branch(route: Route, above: Branch | None, place: str) -> Branch:
    def inherited(own: int | None, name: str, default: int) -> int:
        if own is not None:
            return own
        return default if above is None else int(getattr(above, name))

    group_by = route.group_by
    if group_by is None:
        group_by = DEFAULT_GROUP_BY if above is None else above.group_by
    branch = Branch(
        place=place,
        receiver=route.receiver or ("" if above is None else above.receiver),
        matchers=route.matchers,
        group_by=group_by,
        group_wait=inherited(route.group_wait, "group_wait", DEFAULT_WAIT),
        group_interval=inherited(route.group_interval, "group_interval", DEFAULT_INTERVAL),
        repeat_interval=inherited(route.repeat_interval, "repeat_interval", DEFAULT_REPEAT),
        carry_on=route.carry_on,
        branches=(),
    )
    branches = tuple(
        _branch(child, branch, digest([place, sorted(map(str, child.matchers))], 8)) for child in route.routes
    )
    return Branch(**{name: getattr(branch, name) for name in Branch.__slots__ if name != "branches"}, branches=branches)
