"""The service: the pipeline's thread, the port for metrics and health, an orderly stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from monitor.metrics import PipelineMetrics
from monitor.pipeline import Pipeline
from monitor.sources.port import LostRecordsError
from monitor.store.port import CorruptStateError, StateUnavailableError
from monitor.views import View, ViewHolder

log = structlog.get_logger(__name__)
_POLL = 0.2
_RETRY = 1.0


@dataclass(slots=True)
class Service:
    """Runs the pipeline until asked to stop; ``heartbeat`` tells whether it still turns."""

    pipeline: Pipeline
    view: Callable[[Pipeline], View]
    holder: ViewHolder
    metrics: PipelineMetrics
    stopping: threading.Event = field(default_factory=threading.Event)
    heartbeat: float = field(default_factory=time.monotonic)
    not_ready: str | None = "no checkpoint yet"
    """Why the service is not ready, ``None`` when it is."""
    failure: BaseException | None = None

    def run(self) -> None:
        """Read, count and write until ``stopping`` is set; then write once more."""
        try:
            while not self.stopping.is_set():
                self.heartbeat = time.monotonic()
                self.pipeline.step(_POLL)
                if self.pipeline.due():
                    self._checkpoint()
            self._checkpoint()
        except LostRecordsError as error:
            log.error("records lost", lost=error.lost, problem=str(error))  # noqa: TRY400 - the sentence says it all
            self.failure = error
        except CorruptStateError as error:
            log.error("state is damaged; start again to fall back to an earlier generation", problem=str(error))  # noqa: TRY400
            self.failure = error
        finally:
            self.not_ready = "stopped"

    def stop(self) -> None:
        """Ask the loop to end after the record batch in hand."""
        self.stopping.set()

    def _checkpoint(self) -> None:
        """Write; while the store cannot take it, read nothing more and try again."""
        while True:
            try:
                self.pipeline.checkpoint()
            except StateUnavailableError as error:
                self.not_ready = f"state cannot be written: {error}"
                log.error("state cannot be written", problem=str(error))  # noqa: TRY400 - the sentence says it all
                if self.stopping.wait(_RETRY):
                    return
                self.heartbeat = time.monotonic()
            else:
                break
        self.metrics.observe(self.pipeline.last)
        self.holder.swap(self.view(self.pipeline))
        self.not_ready = None
