"""The one thread that owns all state: read, decode, count, write, evaluate.

The order of a checkpoint, which everything about exactness rests on:

1. count the buffered rows; close windows;
2. **one atomic write** of all that changed: panes, positions of every input, clocks, counters, windows due, and the
   queue of dead letters;
3. publish the dead letters and await their acknowledgement;
   hand the signals over that were written: the alerts apply each once, by its number;
4. evaluate the windows that are due, step evidence over those that are over, and put what they say into history, which
   takes the same window twice without harm; queue it as signals; roll up panes that nothing can restate any more;
5. what was acknowledged, evaluated and applied leaves the state in the *next* write, which holds the new signals;
6. tell Kafka the positions, for lag tools only; swap in the new view.

A crash anywhere repeats steps whose repetition changes nothing. On start the positions come from the state; what Kafka
has committed is never read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import structlog

from monitor.alerting.outlet import Outlet
from monitor.assembly import Assembly
from monitor.closing import Closing, least_time, roll_up
from monitor.crashes import CrashGuard, refused_chunk
from monitor.dead_letters import NoSink
from monitor.decoding.decoder import Decoder
from monitor.evaluate import Evaluator
from monitor.events import Records
from monitor.evidence.keeper import Keeper
from monitor.evidence.windows import EVIDENCE_WINDOWS
from monitor.findings import WindowResult
from monitor.inputs import InputWatch
from monitor.joining import Joining
from monitor.keys import compose
from monitor.learnt import advance_learning
from monitor.model import Model
from monitor.outcomes.evaluation import Evaluation
from monitor.outgoing import HOLD, Outgoing, key_of
from monitor.pairing import Pairing
from monitor.panes import LAYOUTS
from monitor.partition import Partition
from monitor.progress import CLOSING, changes_of, encode_closing
from monitor.published import Hold, Mark, PublishedFile
from monitor.sources.port import UNKNOWN_TIME, Source, TopicPartition
from monitor.store.port import StateUnavailableError
from monitor.switching import Switches
from monitor.views import WindowView
from monitor.volumes import VOLUME

log = structlog.get_logger(__name__)
_BATCH = 10_000
_WINDOWS_AT_ONCE = 256


def no_fault(point: str) -> None:
    """Do nothing at a named point."""


def no_pulse() -> None:
    """Tell nobody."""


def wall_clock() -> int:
    """Return the time in microseconds since the epoch."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Durations:
    """Seconds that the last checkpoint and evaluation took."""

    checkpoint: float = 0.0
    evaluation: float = 0.0
    written_bytes: int = 0


@dataclass(slots=True)
class Pipeline:
    """Runs over a source until told to stop; see the module's docstring for the order of a checkpoint."""

    assembly: Assembly
    source: Source
    decoders: Mapping[str, Decoder]
    partitions: dict[int, Partition]
    closings: dict[str, Closing]
    evaluator: Evaluator
    joinings: dict[str, Joining]
    evaluations: dict[str, Evaluation]
    """Model → the judge of what labels say of it."""
    outgoing: Outgoing
    watch: InputWatch
    fault: Callable[[str], None] = no_fault
    pulse: Callable[[], None] = no_pulse
    """Called now and then during work that may take minutes."""
    monotonic: Callable[[], float] = time.monotonic
    last: Durations = field(default_factory=Durations)
    results: Callable[[list[WindowResult]], None] | None = None
    """Called with every evaluated batch of windows, after it is in history."""
    seen_at: dict[str, int] = field(default_factory=dict)
    """Model → wall clock when rows of it were last taken in."""
    heard: dict[tuple[str, str], int] = field(default_factory=dict)
    """(model, ``prediction`` or ``label``) → the same of one kind of rows."""
    read_times: dict[TopicPartition, int] = field(default_factory=dict)
    """Input → log time of the last record read, where the log states it."""
    signals: Outlet | None = None
    """Where alerts hear of what is found; without it nobody does."""
    wall: Callable[[], int] = wall_clock
    published: PublishedFile = field(default_factory=lambda: PublishedFile(None))
    hold: Hold = field(default_factory=Hold)
    guard: CrashGuard = field(default_factory=CrashGuard)
    evidence: Keeper = field(default_factory=Keeper)
    pairing: Pairing = field(default_factory=Pairing)
    switches: Switches = field(default_factory=Switches)
    rows_since: int = 0
    entering: tuple[dict[bytes, bytes], list[bytes]] = field(default_factory=lambda: ({}, []))
    """What else the next write puts and deletes."""
    _written_at: float = 0.0
    _generation_at: float = field(default_factory=time.monotonic)
    _layouts: set[str] = field(default_factory=set)
    _models: dict[bytes, bytes] = field(default_factory=dict)

    def step(self, timeout: float) -> int:
        """Read once and count what came; return the number of records."""
        total = 0
        self.guard.busy = True
        for records in self.source.consume(self.guard.at_once(_BATCH), timeout):
            self.fault("before_apply")
            for part, again in self.hold.split(records):
                for piece, refused in self.guard.pieces(part):
                    self._apply(piece, again=again, refused=refused)
            if records.log_times and records.log_times[-1] != UNKNOWN_TIME:
                self.read_times[TopicPartition(records.topic, records.partition)] = records.log_times[-1]
            total += len(records)
        self.rows_since += total
        self.guard.busy = False
        return total

    def _apply(self, records: Records, *, again: bool, refused: bool) -> None:
        """Decode and count; ``again`` says that what is refused here was published once."""
        partition = self.partitions[records.partition]
        before = len(partition.rejects)
        with self.guard.over(records) as watched:
            chunk = refused_chunk(records) if refused else self.decoders[records.topic].decode(records)
            partition.apply(chunk)
            if again:
                self._forget_published({records.partition: before})
            lengths = {number: len(one.rejects) for number, one in self.partitions.items()} if again else {}
            self.pairing.take(chunk)
            if again and self.hold.covers(self.pairing.every_input, self.positions()):
                self._forget_published(lengths)
            if watched:
                for one in self.partitions.values():
                    one.flush()
        for batch in chunk.batches:
            side = "label" if batch.kind == "label" else "prediction"
            self.seen_at[batch.model] = self.heard[batch.model, side] = self.wall()

    def _forget_published(self, before: Mapping[int, int]) -> None:
        """Drop the rejects that came since, by partition, apart from those whose letters were never sent."""
        for number, length in before.items():
            rejects = self.partitions[number].rejects
            rejects[length:] = [one for one in rejects[length:] if key_of(number, one) in self.hold.waiting]

    def due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        state = self.assembly.config.state
        if self.rows_since >= state.checkpoint_records or (self.guard.slowly and self.rows_since):
            return True
        return self.monotonic() - self._written_at >= state.checkpoint / 1e6

    def checkpoint(self) -> None:
        """Make everything so far durable, publish and evaluate it."""
        began = self.monotonic()
        self.guard.busy = True
        self.pairing.release()
        quiet = self.watch.newly_idle(self.partitions.values(), self.positions())
        idle = [(partition, name) for partition, name in quiet if not self.pairing.holds(name)]
        for partition, name in idle:
            partition.settle(name)
        for partition in self.partitions.values():
            partition.flush()
        for model in self.assembly.models.values():
            self._close(model)
        for partition, name in idle:
            partition.rest(name)
        self._join()
        if self.signals is not None:
            self.signals.observe(self)
        self.fault("before_write")
        self._write()
        self.fault("after_write")
        self._hand_over()
        self._learn()
        self._publish()
        self.fault("after_publish")
        self.last.checkpoint = self.monotonic() - began
        self._evaluate()
        self._roll_up()
        self.fault("after_evaluate")
        self.source.commit(self.positions())
        self.fault("after_commit")
        self.rows_since = 0
        self._written_at = self.monotonic()
        self._take_generation()
        self.watch.hold_back(self.source, self.partitions, self.positions(), self.pairing.crowds())
        self.guard.busy = False

    def begin(self) -> None:
        """Make durable where reading begins, then do what the last process may not have come to after its last write.

        A model must not learn from rows that, without the crash, would have been counted, and a window must not be
        judged by a reference that was learnt after it. Call before reading.
        """
        self._write()
        self._learn()
        self._evaluate()
        self._roll_up()

    def positions(self) -> dict[TopicPartition, int]:
        """Return the position after the last counted record of every input; topics that nobody reads are left out."""
        return {
            TopicPartition(topic, number): offset
            for number, partition in self.partitions.items()
            for topic, offset in partition.offsets.items()
            if topic in self.decoders
        }

    def finish(self) -> None:
        """Take the input as complete: believe held rows, close and evaluate every window."""
        self.pairing.finish()
        self.checkpoint()
        for name, model in self.assembly.models.items():
            for partition in self.partitions.values():
                partition.settle(name)
                partition.flush()
            last = model.last_time
            if last is None:
                continue
            horizon = last + model.windows.longest + model.windows.lateness
            self._close(model, at=horizon)
        for joining in self.joinings.values():
            joining.finish()
        for name, model in self.assembly.models.items():
            if model.last_time is not None:
                self.evidence.finish(name, model.last_time)
        self._write()
        self._publish()
        self._evaluate()
        self.judge()
        self._write()
        self._hand_over()

    def judge(self) -> None:
        """Judge every window whose labels changed, however soon after the last time."""
        for name in self.evaluations:
            self._judge(name, all_=True)

    def _join(self) -> None:
        """Judge what came of age; an input that came to rest holds nothing up once that is written."""
        positions = self.positions()
        for name, joining in self.joinings.items():
            joining.advance()
            timeout = self.assembly.models[name].config.idle_timeout / 1e6
            mine = {at: offset for at, offset in positions.items() if at.topic in joining.sides}
            for at in self.watch.resting(mine, timeout):
                joining.rest(at)
        for name in self.pairing.pairs:
            timeout = self.assembly.models[name].config.idle_timeout / 1e6
            halves = {at: positions[at] for at in self.pairing.inputs(name) if at in positions}
            self.pairing.rest(name, self.watch.resting(halves, timeout))

    def _publish(self) -> None:
        """Hand dead letters on; remember it where damage to the state cannot reach."""
        if not self.outgoing.publish() or isinstance(self.outgoing.sink, NoSink):
            return
        offsets = {**self.positions(), **self.hold.offsets}
        waiting = self.outgoing.keys | self.hold.waiting if self.hold else self.outgoing.keys
        self.published.write(Mark(self.assembly.store.commit(), offsets, waiting))

    def _close(self, model: Model, at: int | None = None) -> None:
        name = model.config.name
        partitions = self.partitions.values()
        closing = self.closings[name]
        panes = {key for partition in partitions for key in partition.shelf.touched if key.model == name}
        versions = {version for partition in partitions for version in partition.shelf.versions(name)}
        closing.touched(model, panes, versions if model.config.detectors_on(VOLUME) else ())
        self.evaluator.forget(panes)
        least = least_time(name, partitions) if at is None else at
        if self.switches.turn(model, partitions, least):
            self.evaluator.clear(name)
        closing.close(model, least, partitions)
        self.evidence.close(name, least)
        for partition in partitions:
            partition.shelf.touched -= panes

    def _drain(self) -> None:
        """Count what the joins gave out; a challenger and its champion are compared once both did."""
        for joining in self.joinings.values():
            joining.drain()
        for joining in self.joinings.values():
            if joining.duel is not None and joining.duel.champion in self.joinings:
                both = (joining, self.joinings[joining.duel.champion])
                joining.duel.close(min(one.join.watermark for one in both))

    def _write(self, *, sync: bool = True) -> None:
        if self.hold.passed(self.positions()):
            self.entering[1].append(compose(HOLD, 0))
            log.info("all that was published before the state was damaged has been read again")
        puts, deletes = dict(self.entering[0]), list(self.entering[1])
        for number, partition in self.partitions.items():
            overflow = self.outgoing.add(number, partition.rejects)
            partition.rejects.clear()
            if overflow:
                partition.counters["", "dead_letter_overflow"] += overflow
                partition.touch()
            changed, dropped = partition.changes()
            puts.update(changed)
            deletes.extend(dropped)
        halves, met = self.pairing.changes()
        puts.update(halves)
        deletes.extend(met)
        queued, acknowledged = self.outgoing.changes()
        puts.update(queued)
        deletes.extend(acknowledged)
        self._drain()
        for joining in self.joinings.values():
            changed, dropped = joining.changes()
            puts.update(changed)
            deletes.extend(dropped)
        for name, closing in self.closings.items():
            if closing.changed:
                puts[compose(CLOSING, 0, name)] = encode_closing(closing)
        puts.update(self.evidence.changes())
        puts.update(self.switches.changes())
        if self.signals is not None:
            told, taken = self.signals.changes()
            puts.update(told)
            deletes.extend(taken)
        self.assembly.note_types(self.decoders)
        for model in self.assembly.models.values():
            puts.update(changes_of(model, self._models))
            if model.layout.identity not in self._layouts:
                puts[compose(LAYOUTS, 0, model.layout.identity)] = model.layout.describe()
        try:
            self.assembly.store.write(puts, deletes, sync=sync)
        except StateUnavailableError:
            self._models.clear()
            raise
        self.last.written_bytes = sum(len(key) + len(value) for key, value in puts.items())
        self._written()

    def _written(self) -> None:
        self.entering = ({}, [])
        for partition in self.partitions.values():
            partition.written()
        self.pairing.written()
        for joining in self.joinings.values():
            joining.written()
        self.outgoing.written()
        self.evidence.written()
        self.switches.written()
        if self.signals is not None:
            self.signals.written()
        for closing in self.closings.values():
            closing.changed = False
        self._layouts = {model.layout.identity for model in self.assembly.models.values()}

    def _evaluate(self) -> None:
        """Evaluate what is due; a window leaves the set only once history has it.

        Where there is much, what is done is noted now and then: a process that is killed for its silence goes on there.
        """
        began = self.monotonic()
        for name, closing in self.closings.items():
            model = self.assembly.models[name]
            due = sorted(closing.due, key=lambda window: (window[2], window[0], window[1]))
            for first in range(0, len(due), _WINDOWS_AT_ONCE):
                part = due[first : first + _WINDOWS_AT_ONCE]
                results = list(self.evaluator.evaluate(model, part))
                self.assembly.history.upsert(results)
                closing.due.difference_update(part)
                closing.changed = True
                self._tell(results)
                self.pulse()
                if first + _WINDOWS_AT_ONCE < len(due):
                    self._write(sync=False)
            self._judge(name)
            self._gather(name)
        for joining in self.joinings.values():
            self._hear(joining)
        self.last.evaluation = self.monotonic() - began

    def _judge(self, name: str, *, all_: bool = False) -> None:
        """Judge the windows whose labels changed, now and then; all that are closed where the input is complete."""
        evaluation = self.evaluations.get(name)
        if evaluation is None:
            return
        watermark, history = self.joinings[name].join.watermark, self.assembly.config.state.history
        evaluation.upkeep(watermark, history, self.evidence.unread(name))
        results = evaluation.judge(self.closings[name].next_start, self.monotonic(), all_=all_)
        if results:
            self.assembly.history.upsert(results)
            self._tell(results)
        evaluation.done()
        self.pulse()

    def _hear(self, joining: Joining) -> None:
        """Put into history what the detectors of concept drift and the comparison with the champion have to say."""
        if joining.duel is not None and (compared := joining.duel.results()):
            self.assembly.history.upsert(compared)
            joining.duel.delivered()
            self._tell(compared)
        if joining.concept is None or not (results := joining.concept.results()):
            return
        self.assembly.history.upsert(results)
        joining.concept.delivered(results)
        for result in results:
            self.evaluator.show(WindowView(result))
        self.evaluator.forget_old(joining.model, {result.window for result in results})
        self._tell(results)

    def _gather(self, name: str) -> None:
        """Step a model's evidence over the windows that are over, as ``_evaluate`` does."""
        steps = self.evidence.step(name)
        while part := list(islice(steps, _WINDOWS_AT_ONCE // 4)):
            results = [result for found in part for result in found]
            self.assembly.history.upsert(results)
            for result in results:
                self.evaluator.show(WindowView(result))
            self.evaluator.forget_old(name, EVIDENCE_WINDOWS)
            self._tell(results)
            self.pulse()
            if len(part) == _WINDOWS_AT_ONCE // 4:
                self._write(sync=False)

    def _tell(self, results: list[WindowResult]) -> None:
        """Tell alerts, and whoever listens, of windows that are in history."""
        if self.signals is not None:
            self.signals.hear(results)
        if self.results is not None:
            self.results(results)

    def _hand_over(self) -> None:
        """Let the alerts have what stands in the state."""
        if self.signals is not None:
            self.signals.hand_over()
            self.fault("after_signals")

    def _roll_up(self) -> None:
        """Roll panes up once nothing is due: rows that come later cannot reach the finer ones any more."""
        partitions = list(self.partitions.values())
        for name, model in self.assembly.models.items():
            roll_up(model, least_time(name, partitions), partitions, self.assembly.config.state.history)

    def _take_generation(self) -> None:
        now = self.monotonic()
        if now - self._generation_at >= self.assembly.config.state.generation_every / 1e6:
            self.assembly.store.snapshot()
            self._generation_at = now

    def _learn(self) -> None:
        """Move models on that have learnt their edges or their counts; takes effect with the next rows."""
        partitions = list(self.partitions.values())
        for name, model in self.assembly.models.items():
            if model.learning is None:
                continue
            if advance_learning(model, least_time(name, partitions), partitions):
                for partition in partitions:
                    partition.shelf.relayout(name)
                self.evaluator.clear(name)
                self.decoders = self.assembly.decoders()

    def close(self) -> None:
        """Let go of the source, the sink and the state."""
        self.guard.close()
        self.source.close()
        self.outgoing.sink.close()
        self.assembly.history.close()
        self.assembly.store.close()
