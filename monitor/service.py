"""The service: the pipeline's thread, the port for metrics and health, an orderly stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from monitor.metrics import PipelineMetrics
from monitor.pipeline import Pipeline
from monitor.sources.port import CorruptRecordsError, LostRecordsError
from monitor.store.port import CorruptStateError, StateUnavailableError
from monitor.views import View, ViewHolder

log = structlog.get_logger(__name__)
_POLL = 0.2
_RETRY = 1.0


@dataclass(slots=True)
class Health:
    """What probes are told."""

    heartbeat: float = field(default_factory=time.monotonic)
    """Monotonic clock at the loop's last turn."""
    not_ready: str | None = "starting"
    """Why the service is not ready, ``None`` when it is."""

    def beat(self) -> None:
        """Note that the pipeline's thread is at work."""
        self.heartbeat = time.monotonic()


@dataclass(slots=True)
class Service:
    """Runs the pipeline until asked to stop."""

    pipeline: Pipeline
    view: Callable[[Pipeline], View]
    holder: ViewHolder
    metrics: PipelineMetrics
    health: Health
    stopping: threading.Event
    failure: BaseException | None = None

    def run(self) -> None:
        """Read, count and write until ``stopping`` is set; then write once more."""
        try:
            while not self.stopping.is_set():
                self.health.beat()
                self.pipeline.step(_POLL)
                if self.pipeline.due():
                    self._checkpoint()
            self._checkpoint()
        except LostRecordsError as error:
            log.error("records lost", lost=error.lost, problem=str(error))  # noqa: TRY400 - the sentence says it all
            self.failure = error
        except CorruptRecordsError as error:
            log.error("records cannot be read", problem=str(error))  # noqa: TRY400 - the same
            self.failure = error
        except CorruptStateError as error:
            log.error("state is damaged; start again to fall back to an earlier generation", problem=str(error))  # noqa: TRY400
            self.failure = error
        finally:
            self.health.not_ready = "stopped"

    def _checkpoint(self) -> None:
        """Write; while the store cannot take it, read nothing more and try again."""
        while True:
            try:
                self.pipeline.checkpoint()
            except StateUnavailableError as error:
                self.health.not_ready = f"state cannot be written: {error}"
                log.error("state cannot be written", problem=str(error))  # noqa: TRY400 - the sentence says it all
                if self.stopping.wait(_RETRY):
                    return
                self.health.beat()
            else:
                break
        self.metrics.observe(self.pipeline.last)
        self.holder.swap(self.view(self.pipeline))
        self.health.not_ready = None
