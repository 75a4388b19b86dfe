"""``driftline run``: the service."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from alerts.schema import StoreVersionError
from alerts.store import StoreUnavailableError
from dashboards.report import Report
from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.alerting.outlet import Taker
from monitor.alerting.policy import mode_of
from monitor.change_events import follow_changes
from monitor.chores import start_chores
from monitor.collector import collect_seldom
from monitor.commands.report import ReportOptions, write
from monitor.config.load import folder_of, load
from monitor.config.model import stream_names
from monitor.config.report import blind_spots
from monitor.config.root import Config
from monitor.config.types import format_duration
from monitor.history_reader import HistoryReader
from monitor.logs import configure
from monitor.metrics import make_registry
from monitor.opening import open_pipeline
from monitor.past import KnownPast
from monitor.pipeline import Pipeline
from monitor.positions import MissingTopicError, UnlikeTopicsError
from monitor.reports import Due, ScheduledReports, Write
from monitor.retraining.keeper import RetrainingKeeper
from monitor.server import ListenError, Server
from monitor.service import Health, Service
from monitor.snapshot import Snapshots
from monitor.sources.build import build_source
from monitor.sources.port import LostRecordsError, SourceUnavailableError
from monitor.store.port import StateError
from monitor.views import ViewHolder
from monitor.volumes import blind_to_volume

log = structlog.get_logger("driftline")
CANNOT_READ = 69
STATE_ERROR = 74
_RETRY = 2.0
_LEAVE = 5.0


def run(config_path: Path, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    config = load(config_path, environ)
    configure(config.log)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    holder, health = ViewHolder(), Health()
    registry, metrics = make_registry(holder, config.limits.max_series, config.metrics.export)
    owners = {model.name: model.owner or "" for model in config.models}
    server = Server(config.http, registry, holder, health, owners=owners)
    desk: Desk | None = None
    keeper: RetrainingKeeper | None = None
    events: threading.Thread | None = None
    try:
        server.start()
        desk = open_desk(config, folder_of(config_path))
        pipeline = open_when_there(config, config_path, health, stopping, desk)
        if pipeline is None:
            return 0
        server.site.past = KnownPast.of(pipeline.assembly.history)
        announce(config, pipeline)
        keeper = RetrainingKeeper(config, folder_of(config_path), desk.engine.store, lambda: holder.current)
        desk.beside.append(keeper.turn)
        desk.start()
        server.api.open(desk)
        server.retraining.open(keeper)
        server.evidence.open(config, desk.engine.store, folder_of(config_path))
        events = follow_changes(config, stopping)
        snapshots = Snapshots(build=version("driftline"), config_hash=fingerprint(config), alerts=lambda: desk.view)
        snapshots.retraining = lambda: keeper.picture
        reports = ScheduledReports(config, desk.engine.store, report_writer(config, holder), _wall)
        chores = partial(start_chores, config, pipeline.assembly.history, keeper, reports)
        return serve(chores, Service(pipeline, snapshots.take, holder, metrics, health, stopping))
    except (StoreUnavailableError, StoreVersionError) as error:
        log.error("alerts cannot be opened", problem=str(error))  # noqa: TRY400 - the sentence says it all
        return STATE_ERROR
    except ListenError as error:
        log.error("cannot listen", problem=str(error))  # noqa: TRY400 - the sentence says it all
        return 1
    except StateError as error:
        log.error("state cannot be opened", problem=str(error))  # noqa: TRY400 - the same
        return STATE_ERROR
    except LostRecordsError as error:
        log.error("input cannot be read", problem=str(error))  # noqa: TRY400 - the same
        return CANNOT_READ
    finally:
        server.stop()
        stopping.set()
        if events is not None:
            events.join(_LEAVE)
        if keeper is not None:
            keeper.close()
        if desk is not None:
            desk.close()


def open_when_there(
    config: Config, path: Path, health: Health, stopping: threading.Event, alerts: Taker | None = None
) -> Pipeline | None:
    """Open the pipeline as soon as a broker answers and the topics exist; ``None`` when asked to stop before."""
    while not stopping.is_set():
        health.beat()
        source = build_source(config)
        try:
            return open_pipeline(config, source, base=folder_of(path), pulse=health.beat, alerts=alerts)
        except (SourceUnavailableError, MissingTopicError, UnlikeTopicsError) as error:
            source.close()
            health.not_ready = f"no broker or topic to read: {error}"
            log.warning("cannot read yet, trying again", problem=str(error))
            stopping.wait(_RETRY)
    return None


def report_writer(config: Config, holder: ViewHolder) -> Write:
    """Return what writes a report of the service as it is then."""

    def write_one(due: Due, path: Path) -> bool:
        view = holder.current
        if view is None:
            return False
        past = KnownPast.of(HistoryReader(Path(config.state.path) / "history.sqlite"))
        found = Report(view, past, due.first, due.last)
        options = {
            "html": ReportOptions(html=path), "md": ReportOptions(md=path), "json": ReportOptions(json=path)
        }  # fmt: skip
        write(found, options[due.report.format])
        return True

    return write_one


def serve(start: Callable[[], Any], service: Service) -> int:
    """Run the loop in this thread until it is stopped; return the exit status.

    Parameters
    ----------
    start
        Starts what runs by the wall clock.
    """
    chores = start()
    collect_seldom()
    try:
        service.run()
    finally:
        chores.shutdown(wait=False)
        service.pipeline.close()
    log.info("stopped")
    if isinstance(service.failure, StateError):
        return STATE_ERROR
    return CANNOT_READ if service.failure is not None else 0


def announce(config: Config, pipeline: Pipeline) -> None:
    """Say what will be watched, and what this service is blind to."""
    for model in pipeline.assembly.models.values():
        log.info(
            "watching",
            model=model.config.name,
            input=", ".join(stream_names(model.config.predictions)),
            features="to be learnt" if model.features is None else len(model.features),
            windows={w.name: format_duration(w.size) for w in model.windows.windows},
            detectors=sorted({detector.kind for detector in model.config.detectors or ()}),
        )
        for sentence in blind_spots(model.config):
            log.warning("blind", model=model.config.name, to=sentence)
        if (unjudged := blind_to_volume(model)) is not None:
            log.warning("blind", model=model.config.name, to=unjudged)
        for name in model.unjudged_slices():
            what = f"slices by {name}: the reference was built without them; build it again"
            log.warning("blind", model=model.config.name, to=what)
    log.info("alerts", mode=mode_of(config.alerts), receivers=[one.name for one in config.alerts.receivers])
    if config.kafka.dead_letters is None:
        log.warning("rejected records are counted and not kept", next_step="set kafka.dead_letters")


def _wall() -> int:
    return time.time_ns() // 1000


def fingerprint(config: Config) -> str:
    """Return a short hash of the configuration; secrets do not enter it."""
    return hashlib.blake2b(config.model_dump_json().encode(), digest_size=8).hexdigest()
