"""``driftline alerts``, ``driftline routes test``, ``driftline audit``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alerts.routing import Router
from monitor.alerting.policy import NOBODY, policy_of
from monitor.commands.desk import AlertDesk, DeskError, find_desk
from monitor.config.load import load
from monitor.config.types import format_duration

REFUSED: Final = 1
_WRONG_WAY: Final = 2
_LABELS: Final = frozenset({"alertname", "severity", "model", "owner"})


@dataclass(frozen=True, slots=True)
class Where:
    """Which service is meant."""

    config: Path
    environ: Mapping[str, str]
    url: str | None = None
    token_file: Path | None = None

    def do(self, action: Callable[[AlertDesk], str]) -> int:
        """Do something there and print what it returns; return the exit status."""
        try:
            sys.stdout.write(action(find_desk(self.config, self.environ, self.url, self.token_file)))
        except DeskError as error:
            sys.stderr.write(f"{error}\n")
            return REFUSED
        return 0


def list_alerts(where: Where, *, as_json: bool) -> int:
    """Print what fires or is about to."""

    def action(desk: AlertDesk) -> str:
        found = desk.alerts()
        if as_json:
            return json.dumps(found, indent=1) + "\n"
        rows = [_line(one) for one in found.get("alerts", ())]
        head = f"{desk.where}: {found.get('firing', 0)} firing, {found.get('pending', 0)} about to"
        return "\n".join([head, *rows]) + "\n"

    return where.do(action)


def silence(where: Where, matchers: Sequence[str], span: str, because: str) -> int:
    """Begin a silence."""
    return where.do(
        lambda desk: "silence {id} until {ends_at}\n".format(**desk.silence(", ".join(matchers), span, because))
    )


def expire(where: Where, silences: Sequence[str]) -> int:
    """End silences."""

    def action(desk: AlertDesk) -> str:
        for one in silences:
            desk.expire(one)
        return f"ended: {', '.join(silences)}\n"

    return where.do(action)


def resolve(where: Where, fingerprint: str, because: str) -> int:
    """End an alert by hand."""

    def action(desk: AlertDesk) -> str:
        desk.resolve(fingerprint, because)
        return f"{fingerprint} is resolved; it fires again when its condition holds anew\n"

    return where.do(action)


def enable(where: Where, receiver: str, because: str) -> int:
    """Let a receiver hear again."""

    def action(desk: AlertDesk) -> str:
        desk.enable(receiver, because)
        return f"{receiver} is enabled; all that fires is told to it anew\n"

    return where.do(action)


def test(where: Where, receiver: str) -> int:
    """Send a receiver a message that says it is a trial."""
    return where.do(lambda desk: f"{receiver}: {desk.test(receiver)}\n")


def audit(where: Where, limit: int, *, as_json: bool) -> int:
    """Print who changed what, the newest first."""

    def action(desk: AlertDesk) -> str:
        lines = desk.audit(limit)
        if as_json:
            return json.dumps(lines, indent=1) + "\n"
        return "".join("{at}  {actor}  {action}  {subject}  {detail}\n".format(**line) for line in lines)

    return where.do(action)


def test_routes(config_path: Path, environ: Mapping[str, str], labels: Sequence[str]) -> int:
    """Print who would hear of an alert with some labels, and after how long."""
    given: dict[str, str] = {}
    for one in labels:
        name, sign, value = one.partition("=")
        if not sign or not name:
            sys.stderr.write(f"{one}: write NAME=VALUE, such as model=fraud\n")
            return _WRONG_WAY
        given[name] = value.strip('"')
    config = load(config_path, environ, needs_references=False)
    policy = policy_of(config)
    receivers = frozenset(one.name for one in config.alerts.receivers) | {NOBODY}
    told = [
        f"{branch.receiver}: grouped by {', '.join(branch.group_by) or 'nothing'}, after "
        f"{format_duration(branch.group_wait)}, news every {format_duration(branch.group_interval)}, again after "
        f"{format_duration(branch.repeat_interval)}"
        for branch in Router(policy.route, receivers).branches(given)
    ]
    shadow = " (on trial: a daily digest instead)" if policy.shadow.mode == "shadow" else ""
    sys.stdout.write("\n".join(told) + f"{shadow}\n")
    return 0


def _line(one: Mapping[str, Any]) -> str:
    about = ", ".join(f"{name} {value}" for name, value in sorted(one["labels"].items()) if name not in _LABELS)
    place = f"{one['model']}: {about}" if one["model"] else about or "the service"
    state = one["told"] if one["phase"] == "firing" else "pending"
    return (
        f"{one['severity']:<5} {one['name']:<20} {place}\n"
        f"      {one['summary']} (since {one['since']}, {state}, {one['fingerprint']})"
    )
