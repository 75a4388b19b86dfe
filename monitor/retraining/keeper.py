"""Retraining beside the alerts: it looks after each of their turns, in their thread; requests have one of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from alerts.engine import steady_clock
from alerts.receivers.kafka import Producer
from alerts.retraining.callback import Callback
from alerts.retraining.desk import Desk
from alerts.retraining.engine import Retraining
from alerts.retraining.facts import NOTHING_KNOWN, Facts
from alerts.retraining.runner import Runner
from alerts.retraining.states import Proposal
from alerts.store import Store
from monitor.calendar import next_after
from monitor.config.root import Config
from monitor.evidence.orders import Orders
from monitor.retraining.facts import facts_of
from monitor.retraining.policy import policy_of, secrets_of, targets_of, terms_of
from monitor.retraining.switches import SwitchOrders
from monitor.retraining.view import MOST, retraining_view
from monitor.sources.alert_producer import AlertProducer
from monitor.views import RetrainingView, View

log = structlog.get_logger(__name__)


class RetrainingKeeper:
    """All of retraining in one service.

    Parameters
    ----------
    store
        The alerts' store; it is closed by who opened it, after this.
    view
        Returns the newest view of the service.
    dispatch
        Whether requests are made. Without, they wait.

    Raises
    ------
    ReceiversError
        When a target cannot be built, such as for a secret's file that is gone.
    """

    def __init__(
        self,
        config: Config,
        base: Path,
        store: Store,
        view: Callable[[], View | None],
        *,
        clock: Callable[[], int] | None = None,
        dispatch: bool = True,
        producer: Producer | None = None,
    ) -> None:
        self._clock = clock or steady_clock()
        self._config = config
        self._store = store
        self._view = view
        self._terms = {model.name: terms_of(model) for model in config.models}
        chosen = [model.retraining.target.kind for model in config.models if model.retraining is not None]
        if producer is None and "kafka" in chosen:
            producer = AlertProducer(config.kafka)
        targets = targets_of(config.models, base, producer)
        self.engine = Retraining(store, policy_of(config), self._clock)
        self.desk = Desk(store, self._clock)
        """Decisions of people."""
        self.callback = Callback(store, secrets_of(config.retraining), self._clock)
        """Takes results of runs."""
        self._runner = Runner(store, self.engine.policy, targets, self._clock) if targets and dispatch else None
        self.picture: RetrainingView | None = None
        """What may be shown; replaced as a whole."""
        self._drawn = -1
        self._switches = SwitchOrders(Orders(Path(config.state.path)))

    def turn(self) -> None:
        """Look at every model that is due, once there is something to see; for the alerts' thread.

        Raises
        ------
        StoreUnavailableError
            When the store cannot be read or written now; nothing was changed.
        """
        seen = self._view() is not None
        if seen and self.engine.tick(self._clock(), self.facts()) and self._runner is not None:
            self._runner.wake()
        decided = self.desk.decided()
        if self.picture is None or decided != self._drawn:
            given = self._switches.order(self.desk.proposals(limit=MOST), self._clock())
            self._drawn = decided if given else -1
            self.picture = retraining_view(self.engine, self.desk, self._clock())

    def facts(self) -> Mapping[str, Facts]:
        """Return model → what is known of it now."""
        return facts_of(self._view(), self._terms)

    def propose(self, model: str, *, actor: str, because: str) -> Proposal | None:
        """Propose a retraining because a person asks for it; ``None`` when another of the model is open.

        Raises
        ------
        KeyError
            When no retraining is configured for the model.
        """
        episode = f"manual@{self._clock()}"
        return self.engine.propose(model, self._known(model), "manual", episode, because, actor)

    def due(self, model: str) -> Proposal | None:
        """Propose the retraining whose time has come since the last look, if it has; what was missed is done once.

        Whoever looks first sees nothing due: a schedule begins when it is configured.
        """
        found = next(each for each in self._config.models if each.name == model)
        now, key = self._clock(), f"retraining_schedule/{model}"
        if found.retraining is None or found.retraining.schedule is None:
            return None
        with self._store.transaction() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            if row is None:
                connection.execute("INSERT INTO meta VALUES (?, ?)", (key, now))
                return None
        at = next_after(found.retraining.schedule, self._config.calendar.timezone, int(row[0]))
        if at is None or at > now:
            return None
        # The proposal first: the same time names the same proposal, should the process end in between.
        made = self.engine.propose(model, self._known(model), "schedule", f"schedule@{at}", "by the calendar")
        with self._store.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, now))
        return made

    def _known(self, model: str) -> Facts:
        return self.facts().get(model, NOTHING_KNOWN)

    def close(self) -> None:
        """Stop after the request that is under way."""
        if self._runner is not None:
            self._runner.close()
