"""The alerts' own thread: it takes signals, lets time pass, and draws what may be shown.

The pipeline never waits for it. Receivers have threads of their own below it, so neither does it wait for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from alerts.engine import AlertEngine, steady_clock
from alerts.signal import Signal
from alerts.store import StoreUnavailableError
from monitor.alerting.view import alerts_view
from monitor.views import AlertsView

log = structlog.get_logger(__name__)
_TURN: Final = 1.0
_DRAWN_EVERY: Final = 1.0
"""Seconds between two pictures, however much happens."""
_PATIENCE: Final = 20.0


class Desk:
    """Runs the engine in a thread; see ``Taker`` for what the pipeline needs of it.

    Parameters
    ----------
    engine
        Owned from here on: ``close`` closes it and its store.
    mode
        As the configuration says; to be shown.
    """

    def __init__(self, engine: AlertEngine, mode: str, clock: Callable[[], int] | None = None) -> None:
        self.engine = engine
        self.mode = mode
        self.view = AlertsView(mode, 0)
        """What may be shown; replaced as a whole."""
        self.beside: list[Callable[[], None]] = []
        """What has its turn after the alerts', in the same thread."""
        self._clock = clock or steady_clock()
        self._offered: deque[tuple[str, Sequence[Signal]]] = deque()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = -1
        self._drawn_at = float("-inf")
        self._troubled = False

    @property
    def origin(self) -> str:
        """The sequence whose signals stand here."""
        return self.engine.origin

    @property
    def applied(self) -> int:
        """Number of the last signal that stands here."""
        return self.engine.last_applied

    def offer(self, signals: Sequence[Signal], origin: str) -> None:
        """Take signals; they are kept in the state until they stand here."""
        self._offered.append((origin, signals))
        self._awake.set()

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Draw the picture anew at the next turn: somebody changed something from elsewhere."""
        self._drawn, self._drawn_at = -1, float("-inf")
        self._awake.set()

    def turn(self) -> None:
        """Do once what is to be done: take what was offered, let time pass, draw.

        Raises
        ------
        StoreUnavailableError
            When the store cannot be read or written now; nothing is lost.
        """
        while self._offered:
            origin, signals = self._offered[0]
            self.engine.apply(signals, self._clock(), origin)
            self._offered.popleft()
        self.engine.tick(self._clock())
        for each in self.beside:
            each()
        self._draw()

    def close(self) -> None:
        """Stop after what is under way; what is left comes again after the next start."""
        self._stopping.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self.engine.close()
        self.engine.store.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                self.turn()
            except StoreUnavailableError as error:
                if not self._troubled:
                    log.warning("alerts cannot be written; signals wait", problem=str(error))
                self._troubled = True
            except Exception:  # whatever it is, alerts go on: the next turn tries again
                log.exception("the alerts' thread failed")
            else:
                self._troubled = False
            self._awake.wait(_TURN)
            if self._offered:
                self._stopping.wait(0.05)

    def _draw(self) -> None:
        now, changes = time.monotonic(), self.engine.changes
        if changes != self._drawn and now - self._drawn_at >= _DRAWN_EVERY:
            self._drawn, self._drawn_at = changes, now
            self.view = alerts_view(self.engine, self.mode, self._clock())
