"""Results that a pipeline reports: signed, fresh, each taken once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from alerts.durations import SECOND
from alerts.net.secret import Secret
from alerts.retraining import ledger
from alerts.retraining.signature import SignatureError, verify
from alerts.retraining.states import NEXT, Proposal, State, move
from alerts.store import Store

LARGEST: Final = 8 << 10
"""Bytes of a result."""
_LONGEST: Final = 256


class Result(msgspec.Struct, frozen=True):
    """What a pipeline says of its run."""

    id: str
    """The proposal's, as the request had it: the signature covers the body, not the address."""
    status: Literal["running", "succeeded", "failed"]
    version: str = ""
    """The new version, as predictions will carry it."""
    run: str = ""
    url: str = ""
    message: str = ""


class Taken(NamedTuple):
    """The answer to a result, as an HTTP status and a sentence."""

    status: int
    detail: str


_DECODER: Final = msgspec.json.Decoder(Result)


class Callback:
    """Takes results.

    Parameters
    ----------
    secrets
        That results may be signed with; none takes no results.
    clock
        Wall clock in microseconds.
    """

    def __init__(self, store: Store, secrets: Sequence[Secret], clock: Callable[[], int]) -> None:
        self._store = store
        self._secrets = tuple(secrets)
        self._clock = clock

    def take(self, name: str, headers: Mapping[str, str], body: bytes) -> Taken:
        """Take one result.

        Parameters
        ----------
        name
            The proposal's id, from the address.
        headers
            By names in lower case.

        Returns
        -------
        Taken
            204 taken, 200 taken before, 400 malformed, 401 not signed or too old, 404 no such proposal, 409 it is
            not under way, 413 too large, 501 results are not configured.
        """
        if not self._secrets:
            return Taken(501, "no secret for results is configured")
        if len(body) > LARGEST:
            return Taken(413, f"a result has at most {LARGEST} bytes")
        now = self._clock()
        try:
            message = verify(headers, body, self._secrets, now / SECOND)
            result = _DECODER.decode(body)
        except SignatureError as error:
            return Taken(401, str(error))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Taken(400, "not a result: {id, status: running | succeeded | failed, version, run, url, message}")
        if result.id != name:
            return Taken(400, "the id of the address and that of the body differ")
        return self._apply(result, message, now)

    def _apply(self, result: Result, message: str, now: int) -> Taken:
        with self._store.transaction() as connection:
            found = ledger.read_proposal(connection, result.id)
            if found is None:
                return Taken(404, "there is no such proposal")
            known = connection.execute("SELECT 1 FROM retraining_callbacks WHERE id = ?", (message,)).fetchone()
            if known is not None:
                return Taken(200, "taken before")
            if found.dry_run or not _may(found, result.status):
                return Taken(409, f"the proposal is {found.state}")
            ledger.remember_callback(connection, message, now)
            changes = _changes(found, result)
            if found.state == result.status:
                ledger.update(connection, dataclasses.replace(found, **changes))
                return Taken(204, "")
            moved = move(found, result.status, now, sending=False, **changes)
            ledger.update(connection, moved)
            detail = f"reported: {_cut(result.message) or result.status}"
            ledger.decide(connection, now, moved, result.status, detail, f"callback {_cut(message)}")
        return Taken(204, "")


def _may(found: Proposal, status: State) -> bool:
    return status in NEXT[found.state] or found.state == status == "running"


def _changes(found: Proposal, result: Result) -> dict[str, Any]:
    outcome = {"running": "", "succeeded": "succeeded", "failed": "failed"}[result.status]
    return {
        "run": _cut(result.run) or found.run,
        "url": _cut(result.url) or found.url,
        "new_version": _cut(result.version) or found.new_version,
        "outcome": outcome,
        "problem": _cut(result.message) if result.status == "failed" else "",
    }


def _cut(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST])
