"""Signals in, messages out: what the service calls after each checkpoint.

``apply`` takes signals in and ``tick`` lets time pass; both write everything that came of it in one transaction, with
the number of the last signal. So a signal that comes again changes nothing, and a crash loses nothing: the service
keeps its signals until ``last_applied`` has reached them. Messages are delivered by threads of their own.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from alerts import housekeeping, outbox
from alerts.commands import Command, read_commands, submit
from alerts.dispatcher import Dispatcher
from alerts.drill import drill_message
from alerts.durations import MINUTE, SECOND
from alerts.flush import Flusher
from alerts.groups import Groups
from alerts.health import delivery_signals
from alerts.judging import Judge, end
from alerts.listing import Listed, list_alerts
from alerts.memory import Memory
from alerts.notification import Notifier
from alerts.policy import Policy
from alerts.records import AuditLine, Transition, note, read_audit, read_history, record
from alerts.routing import Router
from alerts.shadow import daily_digest, ends_at, in_shadow, next_digest
from alerts.signal import Signal
from alerts.silences import Silences, read_silences
from alerts.stages import Inhibitors
from alerts.store import Store, StoreDamagedError

log = structlog.get_logger(__name__)
_AT_ONCE: Final = 10_000
_TURNS: Final = 2_000
"""Groups that have their turn in one tick."""
_HEALTH: Final = 10 * SECOND
_CHORES: Final = 10 * MINUTE


def steady_clock() -> Callable[[], int]:
    """Return a wall clock in microseconds that does not follow when the machine's clock is set."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1000


class AlertEngine:
    """Alerts from signals, told to receivers.

    Parameters
    ----------
    store
        Where everything is kept; the caller closes it after the engine.
    notifiers
        Receiver's name → what sends to it.
    clock
        Wall clock in microseconds, for deliveries, silences and commands.
    dispatch
        Whether messages are delivered. Without, they are kept.

    Raises
    ------
    PolicyError
        When a route names a receiver that is not among ``notifiers``.
    StoreUnavailableError
        From every call, when the store cannot be read or written now. Nothing was changed; call again later.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], int] | None = None,
        *,
        dispatch: bool = True,
        source: random.Random | None = None,
    ) -> None:
        self.policy = policy
        self.gaps = 0
        """Signals that never came."""
        self._store = store
        self._clock = clock or steady_clock()
        self._notifiers = dict(notifiers)
        self._judge = Judge(policy.rules)
        self._router = Router(policy.route, frozenset(notifiers))
        self._lock = threading.RLock()
        self._last_tick = 0
        self._health_due = 0
        self._applied = 0
        self._origin = ""
        self.changes = 0
        """How often something was written; what was read before it last grew may be out of date."""
        self._shadowed: frozenset[str] = frozenset()
        self.silences = Silences(store, self._clock)
        """To add, end and list silences."""
        self._stale = True
        self._fresh(self._clock())
        self._dispatcher = Dispatcher(store, policy, notifiers, self._clock, source) if dispatch else None

    @property
    def last_applied(self) -> int:
        """Number of the last signal that stands; the service may forget it and those before."""
        return self._applied

    @property
    def origin(self) -> str:
        """The sequence that ``last_applied`` counts in; empty before the first signal."""
        return self._origin

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self._store

    @property
    def receivers(self) -> tuple[str, ...]:
        """Names of the receivers."""
        return tuple(self._notifiers)

    def apply(self, signals: Sequence[Signal], now: int, origin: str = "") -> int:
        """Take signals in, in the order of their numbers; return the number of the last that stands.

        Parameters
        ----------
        now
            Wall clock in microseconds; it decides when groups have their turn, nothing else.
        origin
            Names the sequence that numbers the signals. Another one begins to count anew.
        """
        with self._lock:
            try:
                return self._apply(signals, now, origin)
            except StoreDamagedError:
                return self._apply(signals, now, origin)

    def tick(self, now: int) -> None:
        """Do what is due: groups' turns, the digest, commands, chores. Call it about once a second."""
        with self._lock:
            self._fresh(now)
            if now < self._last_tick - SECOND:
                self._groups.set_back(now)
            self._last_tick = now
            commands = read_commands(self._store)
            healths = now >= self._health_due
            if not (commands or healths or self._groups.due(now) or now >= self._memory.number("digest_due")):
                return
            with self._changing(now) as connection:
                receivers = self._do_commands(connection, commands, now)
                if healths or receivers:
                    self._health_due = now + _HEALTH
                    self._say_health(connection, now)
                    self._look_after(connection, now)
                receivers |= self._send_digest(connection, now)
                receivers |= self._flush(connection, now)
            if self._dispatcher is not None:
                self._dispatcher.wake(receivers)

    def alerts(self, *, over: bool = False, limit: int | None = None) -> list[Listed]:
        """Return pending and firing alerts, and with ``over`` those lately resolved; likely causes first."""
        with self._lock, self._store.reading() as connection:
            self._fresh(self._clock())
            memory, rules, now = self._memory, self._judge.rules, self._clock()
            return list_alerts(connection, memory, self.policy, rules, now, over=over, limit=limit)

    def tally(self) -> Counter[tuple[str, str, str, str]]:
        """Return how many alerts there are, by name, severity, model and phase."""
        with self._lock:
            self._fresh(self._clock())
            return Counter(
                (entry.labels.get("alertname", ""), entry.labels.get("severity", ""), entry.model, phase)
                for entry in self._memory.entries.values()
                if (phase := entry.track.machine.phase) != "inactive"
            )

    def shadowed(self) -> dict[str, int | None]:
        """Return the models in shadow, and until when; ``None`` for as long as the configuration says so."""
        with self._lock:
            self._fresh(self._clock())
            now, shadow = self._clock(), self.policy.shadow
            return {model: ends_at(shadow, model, self._memory.models) for model in sorted(self._models_in_shadow(now))}

    def counted(self) -> dict[str, int]:
        """Return how many alerts began to fire and were resolved since the store was made."""
        with self._lock:
            self._fresh(self._clock())
            return {state: self._memory.number(f"count/{state}") for state in ("firing", "resolved")}

    def history(self, model: str | None = None, limit: int = 100) -> list[Transition]:
        """Return the latest transitions of all alerts, or of one model's, newest first."""
        with self._store.reading() as connection:
            return read_history(connection, model, limit)

    def audit(self, limit: int = 100) -> list[AuditLine]:
        """Return the latest lines of the audit, newest first."""
        with self._store.reading() as connection:
            return read_audit(connection, limit)

    def deliveries(self) -> dict[str, outbox.Health]:
        """Return how delivery goes, for each receiver."""
        with self._store.reading() as connection:
            return outbox.read_health(connection, self._notifiers)

    def expire(self, silence: str, *, author: str) -> bool:
        """End a silence now; return whether there was one to end."""
        return self.silences.expire(silence, author=author)

    def resolve(self, fingerprint: str, *, author: str, because: str) -> None:
        """End a firing alert at the next tick, though no signal did; it fires again when its condition holds anew."""
        submit(self._store, Command(self._clock(), author, "resolve", fingerprint, because))

    def enable(self, receiver: str, *, author: str, because: str = "") -> None:
        """Let a receiver that was disabled hear again, at the next tick; all that fires is told to it anew."""
        submit(self._store, Command(self._clock(), author, "enable", receiver, because))

    def drill(self, receiver: str, *, author: str) -> None:
        """Send a receiver a message that says it is a trial, at the next tick and on the way of all messages."""
        submit(self._store, Command(self._clock(), author, "drill", receiver, ""))

    def close(self) -> None:
        """Stop delivering. What was not delivered is, after the next start."""
        if self._dispatcher is not None:
            self._dispatcher.close()

    def _apply(self, signals: Sequence[Signal], now: int, origin: str) -> int:
        self._fresh(now)
        if origin and self._memory.meta.get("origin", origin) != origin:
            log.warning("signals come from another sequence, which is counted anew", origin=origin)
            with self._changing(now) as connection:
                note(connection, now, "driftline", "origin", origin, "signals are counted anew")
                self._memory.set("last_applied", 0)
        self._memory.set("origin", origin or self._memory.meta.get("origin", ""))
        last = self._memory.number("last_applied")
        new = [signal for signal in signals if signal.number > last]
        for first in range(0, len(new), _AT_ONCE):
            with self._changing(now) as connection:
                self._take(connection, new[first : first + _AT_ONCE], now)
        return self._memory.number("last_applied")

    def _take(self, connection: sqlite3.Connection, signals: list[Signal], now: int) -> None:
        memory, last = self._memory, self._memory.number("last_applied")
        transitions: list[Transition] = []
        for signal in signals:
            if signal.number != last + 1:
                self._note_gap(connection, last, signal.number, now)
            last = signal.number
            transitions += self._judge.judge(memory, signal)
        memory.set("last_applied", last)
        self._changed(connection, transitions, now)

    def _note_gap(self, connection: sqlite3.Connection, last: int, number: int, now: int) -> None:
        if not last:
            return
        self.gaps += number - last - 1
        log.error("signals are missing", after=last, before=number)
        note(connection, now, "driftline", "gap", f"{last + 1} to {number - 1}", "these signals never came")

    def _changed(self, connection: sqlite3.Connection, transitions: list[Transition], now: int) -> None:
        """Write transitions down and put their alerts into groups, or take them out."""
        record(connection, transitions)
        for state, number in Counter(each.state for each in transitions).items():
            self._memory.set(f"count/{state}", self._memory.number(f"count/{state}") + number)
        for transition in transitions:
            entry = self._memory.entries.get(transition.fingerprint)
            if entry is not None and entry.firing:
                self._groups.begin(entry, now, shadow=self._in_shadow(entry.labels, now))
            else:
                self._groups.end(transition.fingerprint, now)

    def _do_commands(self, connection: sqlite3.Connection, commands: Iterable[Command], now: int) -> set[str]:
        receivers: set[str] = set()
        for command in commands:
            connection.execute("DELETE FROM commands WHERE seq = ?", (command.seq,))
            note(connection, now, command.actor, command.action, command.subject, command.because)
            if command.action == "enable":
                outbox.enable(connection, command.subject)
                self._groups.hurry(command.subject, now)
                receivers.add(command.subject)
            if command.action == "drill" and command.subject in self._notifiers:
                outbox.put(connection, drill_message(command.subject, command.actor, now, self.policy), {})
                receivers.add(command.subject)
            entry = self._memory.entries.get(command.subject)
            if command.action == "resolve" and entry is not None and entry.firing:
                because = f"resolved by {command.actor}: {command.because}"
                self._changed(connection, [end(self._memory, entry, now, because)], now)
        return receivers

    def _say_health(self, connection: sqlite3.Connection, now: int) -> None:
        healths = outbox.read_health(connection, self._notifiers).values()
        number = self._memory.number("own") + 1
        transitions: list[Transition] = []
        for signal in delivery_signals(healths, number, now, self.policy.late_delivery):
            transitions += self._judge.judge(self._memory, signal)
        if transitions:
            self._memory.set("own", number)
            self._changed(connection, transitions, now)

    def _look_after(self, connection: sqlite3.Connection, now: int) -> None:
        """End what nobody hears of any more, move what left the shadow, and now and then tidy up."""
        shadowed = self._models_in_shadow(now)
        if shadowed != self._shadowed:
            self._shadowed = shadowed
            for entry in self._memory.firing():
                self._groups.move(entry, now, shadow=self._in_shadow(entry.labels, now))
        self._changed(connection, housekeeping.forgotten(self._memory, self._judge.rules, now), now)
        if now >= self._memory.number("chores_due"):
            self._memory.set("chores_due", now + _CHORES)
            housekeeping.tidy(connection, self._memory, self._judge.rules, now, self.policy.keep)

    def _send_digest(self, connection: sqlite3.Connection, now: int) -> set[str]:
        memory, due = self._memory, self._memory.number("digest_due")
        if now < due:
            return set()
        memory.set("digest_due", next_digest(self.policy.shadow, now))
        since = memory.number("digest_at")
        memory.set("digest_at", now)
        receiver = self.policy.shadow.receiver or self._router.root.receiver
        if not since or receiver not in self._notifiers:
            return set()
        message = daily_digest(connection, receiver, self._models_in_shadow(now), since, now, self.policy.url)
        if message is None:
            return set()
        outbox.put(connection, message, {})
        return {receiver}

    def _flush(self, connection: sqlite3.Connection, now: int) -> set[str]:
        states = self._groups.due(now)[:_TURNS]
        if not states:
            return set()
        disabled = {
            name for name, health in outbox.read_health(connection, self._notifiers).items() if health.disabled_at
        }
        inhibitors = Inhibitors(self.policy.inhibitions, self._memory.firing())
        silences = tuple(read_silences(connection, now))
        flusher = Flusher(self.policy, self._judge.rules, self._memory, inhibitors, silences, frozenset(disabled))
        receivers: set[str] = set()
        for state in states:
            flushed = flusher.flush(connection, state, now)
            self._groups.looked_at(state, now, flushed.due, message=flushed.message)
            if flushed.message:
                receivers.add(state.group.receiver)
        return receivers

    def _in_shadow(self, labels: Mapping[str, str], now: int) -> bool:
        return in_shadow(self.policy.shadow, labels, self._memory.models, now)

    def _models_in_shadow(self, now: int) -> frozenset[str]:
        return frozenset(model for model in self._memory.models if self._in_shadow({"model": model}, now))

    @contextmanager
    def _changing(self, now: int) -> Iterator[sqlite3.Connection]:
        """Write all that changes within, or nothing; what is in memory is then read again."""
        self._fresh(now)
        self._stale = True
        with self._store.transaction() as connection:
            yield connection
            self._memory.save(connection)
            self._groups.save(connection)
        self._memory.saved()
        self._groups.saved()
        self._settled()
        self._stale = False

    def _settled(self) -> None:
        self._applied = self._memory.number("last_applied")
        self._origin = str(self._memory.meta.get("origin", ""))
        self.changes += 1

    def _fresh(self, now: int) -> None:
        if not self._stale:
            return
        try:
            self._reload(now)
        except StoreDamagedError:
            self._reload(now)

    def _reload(self, now: int) -> None:
        with self._store.transaction() as connection:
            self._memory = Memory.load(connection)
            self._groups = Groups(self._router)
            firing = ((entry, self._in_shadow(entry.labels, now)) for entry in self._memory.firing())
            self._groups.load(connection, firing, now)
        self._settled()
        self._shadowed = self._models_in_shadow(now)
        self._health_due = now
        self._stale = False
