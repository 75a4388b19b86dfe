"""The thread that requests, beside the pipeline's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from alerts.retraining.policy import RetrainingPolicy
from alerts.retraining.requester import Requester
from alerts.retraining.targets.port import Target
from alerts.store import Store, StoreUnavailableError

log = structlog.get_logger(__name__)
_LOOKS: Final = 5.0
_TROUBLE: Final = 5.0


class Runner:
    """Makes requests until it is closed.

    Parameters
    ----------
    clock
        Wall clock in microseconds.
    """

    def __init__(
        self, store: Store, policy: RetrainingPolicy, targets: Mapping[str, Target], clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._policy = policy
        self._targets = targets
        self._clock = clock
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retraining", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have it look now."""
        self._awake.set()

    def close(self, wait: float = 20.0) -> None:
        """Stop after the attempt that is under way."""
        self._stopping.set()
        self._awake.set()
        self._thread.join(wait)
        if self._thread.is_alive():
            log.warning("a target did not come back in time")

    def _run(self) -> None:
        requester: Requester | None = None
        begun = -1
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                if requester is None or begun != self._store.begun_anew:
                    if requester is not None:
                        requester.close()
                    connection, begun = self._store.connect(), self._store.begun_anew
                    requester = Requester(connection, self._policy, self._targets, self._clock)
                busy = requester.step()
            except (sqlite3.Error, StoreUnavailableError) as error:
                log.warning("proposals cannot be read or written", problem=str(error))
                self._stopping.wait(_TROUBLE)
                continue
            if not busy:
                self._awake.wait(_LOOKS)
        if requester is not None:
            requester.close()
