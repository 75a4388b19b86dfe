"""Opening the alerts of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from alerts.engine import AlertEngine
from alerts.receivers.kafka import Producer
from alerts.silences import Silences
from alerts.store import Store
from monitor.alerting.desk import Desk
from monitor.alerting.policy import build_notifiers, mode_of, policy_of
from monitor.config.root import Config
from monitor.sources.alert_producer import AlertProducer

FILE: Final = "alerts.sqlite"


def open_desk(
    config: Config,
    base: Path,
    *,
    clock: Callable[[], int] | None = None,
    dispatch: bool = True,
    producer: Producer | None = None,
) -> Desk:
    """Open the alerts' store and their receivers; call ``start`` to have them work.

    Raises
    ------
    StoreUnavailableError
        When the store cannot be opened.
    StoreVersionError
        When a newer version of the software wrote it.
    ReceiversError
        When a receiver cannot be built, such as for a secret's file that is gone.
    """
    notifiers = build_notifiers(config.alerts, base, producer or producer_of(config))
    store = Store(Path(config.state.path) / FILE)
    try:
        engine = AlertEngine(store, policy_of(config), notifiers, clock, dispatch=dispatch)
    except BaseException:
        store.close()
        raise
    keep_silences(engine.silences, config)
    return Desk(engine, mode_of(config.alerts), clock)


def producer_of(config: Config) -> AlertProducer | None:
    """Return what publishes to Kafka, if a receiver wants it."""
    wanted = any(receiver.kind == "kafka" for receiver in config.alerts.receivers)
    return AlertProducer(config.kafka) if wanted else None


def keep_silences(silences: Silences, config: Config) -> None:
    """Have the silences that the configuration names, each once; one that is over or was ended stays so."""
    for one in config.alerts.silences:
        silences.ensure(", ".join(one.matchers), one.from_, one.until, author="configuration", comment=one.comment)
