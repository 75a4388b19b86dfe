"""``driftline run``: the service."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import structlog

from monitor.chores import start_chores
from monitor.config.load import load
from monitor.config.root import Config
from monitor.config.types import format_duration
from monitor.logs import configure
from monitor.metrics import make_registry
from monitor.model import Model
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.positions import MissingTopicError
from monitor.server import ListenError, Server
from monitor.service import Service
from monitor.snapshot import Snapshots
from monitor.sources.build import build_source
from monitor.sources.port import LostRecordsError
from monitor.store.port import StateError
from monitor.views import ViewHolder

log = structlog.get_logger("driftline")
CANNOT_READ = 69
STATE_ERROR = 74


def run(config_path: Path, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    config = load(config_path, environ)
    configure(config.log)
    try:
        pipeline = open_pipeline(config, build_source(config), base=base_of(config_path))
    except StateError as error:
        log.error("state cannot be opened", problem=str(error))  # noqa: TRY400 - the sentence says it all
        return STATE_ERROR
    except (LostRecordsError, MissingTopicError) as error:
        log.error("input cannot be read", problem=str(error))  # noqa: TRY400 - the same
        return CANNOT_READ
    announce(config, pipeline)
    try:
        return serve(config, pipeline, fingerprint(config))
    finally:
        pipeline.close()


def serve(config: Config, pipeline: Pipeline, config_hash: str) -> int:
    """Serve metrics and run the pipeline's loop in this thread until a signal comes."""
    holder = ViewHolder()
    registry, metrics = make_registry(holder, config.limits.max_series, config.metrics.export)
    snapshots = Snapshots(build=version("driftline"), config_hash=config_hash)
    service = Service(pipeline, snapshots.take, holder, metrics)
    server = Server(config.http, registry, holder, service)
    try:
        server.start()
    except ListenError as error:
        log.error("cannot listen", problem=str(error))  # noqa: TRY400 - the sentence says it all
        return 1
    previous = {number: signal.signal(number, lambda *_: service.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    chores = start_chores(config, pipeline.assembly.history)
    try:
        service.run()
    finally:
        chores.shutdown(wait=False)
        server.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
    log.info("stopped", threads=threading.active_count())
    return CANNOT_READ if service.failure is not None else 0


def announce(config: Config, pipeline: Pipeline) -> None:
    """Say what will be watched, and what this service is blind to."""
    for model in pipeline.assembly.models.values():
        log.info(
            "watching",
            model=model.config.name,
            input=model.config.predictions.topic or model.config.predictions.file,
            features="to be learnt" if model.features is None else len(model.features),
            windows={w.name: format_duration(w.size) for w in model.windows.windows},
            detectors=sorted({detector.kind for detector in model.config.detectors or ()}),
        )
        for sentence in blind_spots(model):
            log.warning("blind", model=model.config.name, to=sentence)
    if config.kafka.dead_letters is None:
        log.warning("rejected records are counted and not kept", next_step="set kafka.dead_letters")


def blind_spots(model: Model) -> list[str]:
    """Return, one sentence each, what cannot be found with this configuration."""
    found = []
    if model.learning is not None:
        found.append(f"drift, until a reference is learnt ({format_duration(model.learning.period)} of event time)")
    mapped = model.config.predictions.map
    if mapped.score is None:
        found.append("the score: map.score is not set")
    if model.config.decision is None:
        found.append("the flagged share: decision is not set")
    if mapped.version is None:
        found.append("differences between versions: map.version is not set")
    found.append("concept drift and calibration: labels are not read")
    smallest = min(window.min_samples for window in model.windows.windows)
    found.append(f"windows of fewer than {smallest} rows")
    return found


def fingerprint(config: Config) -> str:
    """Return a short hash of the configuration; secrets do not enter it."""
    return hashlib.blake2b(config.model_dump_json().encode(), digest_size=8).hexdigest()


def base_of(config_path: Path) -> Path:
    """Return the folder at which relative paths in the configuration start."""
    return config_path if config_path.is_dir() else config_path.parent
