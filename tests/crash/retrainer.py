"""The whole service as a process that kills itself at a named point of a request to retrain, or of its result.

``child(ERRORS, CONFIG, POINT, MUTANT)`` runs ``driftline run`` until SIGTERM. With POINT the process kills itself the
first time it comes there. MUTANT forgets to write down that a request begins, as a broken build would.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alerts.retraining import ledger
from alerts.retraining.callback import Callback
from alerts.retraining.engine import Retraining
from alerts.retraining.requester import Requester
from alerts.retraining.states import Proposal
from monitor.commands.run import run

POINTS = ("decided", "before_send", "after_send", "before_result", "after_result")
"""A request was decided; it is stored and not sent; sent, and the answer not stored; a result came and is not stored;
it is stored and not answered."""


def child(errors: Path, config: Path, point: str, *, mutant: bool = False) -> None:
    """Be the service, in a process that was forked for it; what it complains of goes to a file."""
    with errors.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        os.dup2(file.fileno(), sys.stdout.fileno())
    if point == "decided":
        _die_around(Retraining, "tick", before=False, when=bool)
    elif point.endswith("send"):
        _die_around(Requester, "_send", before=point.startswith("before"))
    elif point.endswith("result"):
        _die_around(Callback, "_apply", before=point.startswith("before"))
    if mutant:
        _forget_what_begins()
    sys.exit(run(config, os.environ))


def _die_around(owner: type, name: str, *, before: bool, when: Callable[[object], bool] = lambda _: True) -> None:
    """Have the process kill itself before a method is called, or after it returned what counts."""
    whole: Callable[..., Any] = getattr(owner, name)

    def deadly(*arguments: Any, **named: Any) -> Any:
        result = None if before else whole(*arguments, **named)
        if before or when(result):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def _forget_what_begins() -> None:
    whole = ledger.update

    def forgetful(connection: sqlite3.Connection, proposal: Proposal) -> None:
        whole(connection, dataclasses.replace(proposal, sending=False))

    ledger.update = forgetful
