"""``driftline retrain …``: proposals to retrain, and what people decide on them.

A running service is asked over HTTP, by a token. Where none answers, decisions are written to the folder of its state,
which it takes up when it runs again.
"""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.table import Table

from alerts.retraining.desk import Desk, DeskError
from alerts.retraining.states import Proposal
from alerts.schema import StoreVersionError
from alerts.store import Store, StoreUnavailableError
from monitor.alerting.opening import FILE
from monitor.api.retraining import plain
from monitor.commands import desk as commands
from monitor.commands.desk import Remote, find_desk
from monitor.retraining.view import proposal_view

REFUSED: Final = 1
CANNOT_REACH: Final = 69
STATE_ERROR: Final = 74
_PATIENCE: Final = 15.0
_BASE: Final = "/api/v1/retraining"
_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where proposals are found."""

    config: Path
    environ: Mapping[str, str]
    state: Path | None = None
    """This folder, whatever the configuration says."""
    url: str | None = None
    token_file: Path | None = None

    def find(self) -> Remote | Path:
        """Return the running service if one answers, otherwise the folder of its state."""
        if self.state is not None:
            return self.state
        try:
            found = find_desk(self.config, self.environ, self.url, self.token_file)
        except commands.DeskError as error:
            raise CannotError(str(error)) from error
        return found if isinstance(found, Remote) else Path(found.where)


class CannotError(Exception):
    """What was asked for was not done; ``status`` is the exit status."""

    def __init__(self, reason: str, status: int = REFUSED) -> None:
        super().__init__(reason)
        self.status = status


def show(place: Place, model: str | None, *, as_json: bool) -> int:
    """List proposals and pauses; one proposal in full when ``as_json``."""
    return _told(lambda: _listed(place, model, as_json=as_json))


def explain(place: Place, name: str) -> int:
    """Print one proposal with its evidence, and the request as it was or would be sent."""

    def act() -> str:
        where = place.find()
        if isinstance(where, Remote):
            return json.dumps(_asked(where, "GET", f"/proposals/{name}"), indent=1, ensure_ascii=False)
        with _Opened(where) as desk:
            found = desk.find(name)
        fields = plain(asdict(proposal_view(found)))
        return json.dumps(fields, indent=1, ensure_ascii=False)

    return _told(act)


def decide(place: Place, verb: str, name: str, because: str, run: str = "") -> int:
    """Approve, reject, or say that a parked request did start."""

    def act() -> str:
        where = place.find()
        if isinstance(where, Remote):
            body = {"because": because} if verb != "started" else {"run": run}
            found = _asked(where, "POST", f"/proposals/{name}/{verb}", body)
            return _sentence(verb, found["id"], found["model"], dry_run=bool(found["dry_run"]))
        with _Opened(where) as desk:
            changed = _decided(desk, verb, name, because, run)
        return _sentence(verb, changed.id, changed.model, dry_run=changed.dry_run)

    return _told(act)


def pause(place: Place, model: str | None, because: str) -> int:
    """Pause all retraining, or one model's."""

    def act() -> str:
        where = place.find()
        if isinstance(where, Remote):
            _asked(where, "POST", "/pause", {"because": because} | ({"model": model} if model else {}))
        else:
            with _Opened(where) as desk:
                desk.pause(actor=getpass.getuser(), because=because, model=model or "")
        return f"paused: {model or 'all retraining'}; runs that began are not stopped"

    return _told(act)


def resume(place: Place, model: str | None, because: str) -> int:
    """End a pause."""

    def act() -> str:
        where = place.find()
        if isinstance(where, Remote):
            _asked(where, "POST", "/resume", {"because": because} | ({"model": model} if model else {}))
        else:
            with _Opened(where) as desk:
                if not desk.resume(actor=getpass.getuser(), because=because, model=model or ""):
                    raise CannotError("nothing of that is paused")
        return f"resumed: {model or 'all retraining'}"

    return _told(act)


def propose(place: Place, model: str, because: str) -> int:
    """Ask the running service for a proposal; limits hold all the same."""

    def act() -> str:
        where = place.find()
        if not isinstance(where, Remote):
            raise CannotError("a proposal needs the running service, and none answers", CANNOT_REACH)
        found = _asked(where, "POST", "/propose", {"model": model, "because": because})
        return f"proposed {found['id'][:_SHORT]} for {model}"

    return _told(act)


class _Opened:
    """The desk of a state folder."""

    def __init__(self, state: Path) -> None:
        path = state / FILE
        if not path.exists():
            hint = "name the folder of state.path with --state, or use --url"
            raise CannotError(f"{path}: there are no proposals; {hint}", STATE_ERROR)
        self._store = Store(path)

    def __enter__(self) -> Desk:
        return Desk(self._store, lambda: time.time_ns() // 1000)

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _decided(desk: Desk, verb: str, name: str, because: str, run: str) -> Proposal:
    actor = getpass.getuser()
    if verb == "approve":
        return desk.approve(name, actor=actor, because=because)
    if verb == "reject":
        return desk.reject(name, actor=actor, because=because)
    return desk.started(name, actor=actor, run=run)


def _listed(place: Place, model: str | None, *, as_json: bool) -> str:
    where = place.find()
    if isinstance(where, Remote):
        found = _asked(where, "GET", "/proposals" + (f"?model={model}" if model else ""))
    else:
        with _Opened(where) as desk:
            found = {
                "proposals": [plain(asdict(proposal_view(each))) for each in desk.proposals(model)],
                "pauses": [plain(each._asdict()) for each in desk.pauses()],
            }
    if as_json:
        return json.dumps(found, indent=1, ensure_ascii=False)
    _draw(found["proposals"], found["pauses"])
    return ""


def _draw(proposals: Sequence[Mapping[str, Any]], pauses: Sequence[Mapping[str, Any]]) -> None:
    console = Console(highlight=False, markup=False)
    for each in pauses:
        console.print(f"paused: {each['model'] or 'all retraining'}, by {each['author']}: {each['because']}")
    if not proposals:
        console.print("no proposals")
        return
    table = Table(box=None, pad_edge=False)
    for head in ("id", "model", "state", "since"):
        table.add_column(head, no_wrap=True, overflow="fold")
    for one in proposals:
        state = one["state"].replace("_", " ") + (", dry run" if one["dry_run"] else "")
        if one["state"] == "awaiting_approval" and one["approved_by"]:
            state = f"approved by {one['approved_by']}" + (", dry run" if one["dry_run"] else "")
        table.add_row(one["id"][:_SHORT], one["model"], state, one["since"][:16] + "Z")
    console.print(table)
    for one in proposals:
        console.print(f"{one['id'][:_SHORT]}: {one['because'][:120]}", soft_wrap=True)
        if reference := one.get("reference"):  # a service of before has none
            console.print(f"{' ' * _SHORT}  {reference}", soft_wrap=True)


def _sentence(verb: str, name: str, model: str, *, dry_run: bool) -> str:
    words = {"approve": "approved", "reject": "rejected", "started": "noted as started"}[verb]
    rest = "; it is a dry run, so nothing is sent" if dry_run and verb == "approve" else ""
    return f"{words} {name[:_SHORT]} of {model}{rest}"


def _asked(service: Remote, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {service.token}"} if service.token else {}
    try:
        with httpx2.Client(timeout=_PATIENCE, follow_redirects=False, trust_env=False) as client:
            reply = client.request(method, f"{service.where}{_BASE}{path}", headers=headers, json=body)
        found: dict[str, Any] = reply.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise CannotError(f"{service.where}: {error or type(error).__name__}", CANNOT_REACH) from error
    if reply.status_code >= 400:
        hint = f"; set {commands.TOKEN} or --token-file" if reply.status_code == 401 and not service.token else ""
        raise CannotError(f"{service.where}: {found.get('error', reply.status_code)}{hint}")
    return found


def _told(act: Callable[[], str]) -> int:
    try:
        said = act()
    except CannotError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except DeskError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except (StoreUnavailableError, StoreVersionError) as error:
        sys.stderr.write(f"{error}\n")
        return STATE_ERROR
    if said:
        sys.stdout.write(f"{said}\n")
    return 0
