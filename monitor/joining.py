"""The join of one model at run time: its clocks, what predictions carry through it, and where its output goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np

from monitor.concept.keys import CONCEPT, STREAMS
from monitor.concept.watched import PayloadReader
from monitor.config.model import ModelConfig, stream_name
from monitor.decoding.sampling import kept
from monitor.duel import CHALLENGER, Duel
from monitor.events import MINUTE, Batch, IntArray, Records
from monitor.halves import Paired
from monitor.join.clock import NEVER, InputClock, InputClocks
from monitor.join.entries import rows_within
from monitor.join.identity import identify
from monitor.join.join import MEMORY, RETRACT, UPSERT, Join, JoinChangedError, drop
from monitor.join.last_before import LastBefore, drop_entities
from monitor.join.output import COMPLETED, Joined
from monitor.join.payload import Payload, Rows
from monitor.join.positions import Positions
from monitor.join.tally import quantiles_of
from monitor.keys import compose, prefix
from monitor.matching import are_merged, matching_of
from monitor.sources.port import UNKNOWN_TIME, TopicPartition
from monitor.store.port import StateReader, StateStore
from monitor.truth import MISSING, REASONS, Truth, retractions, rows_of
from monitor.views import JoinView

if TYPE_CHECKING:
    from monitor.concept.streams import ConceptStreams

JOININGS: Final = b"N"
PAIRED: Final = ("", 0)
"""The input that predictions come from whose requests and responses met: its clock is theirs."""
SLACK: Final = MINUTE
_AT_ONCE: Final = 200_000
_FORMAT: Final = 1
NO_ENTITY: Final = "prediction_without_entity"


class Outcomes(Protocol):
    """Takes what the join gives out and makes counts of it."""

    @property
    def payload(self) -> Payload:
        """What a prediction carries through the join."""
        ...

    def pack(self, batch: Batch) -> Rows:
        """Return what each prediction of a batch carries."""
        ...

    @property
    def flaws(self) -> Mapping[str, int]:
        """Why predictions were judged in part only, or pairs not at all → how many so far."""
        ...

    def take(self, joined: Joined) -> None:
        """Count judged predictions, or take them back where the sign says so; pairs that are completed are left out."""
        ...

    def advance(self, watermark: int) -> None:
        """Take note that nothing given out later will be of a join time before the watermark."""
        ...

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        ...

    def written(self) -> None:
        """Note that the changes are in the store."""
        ...


@dataclass(slots=True)
class Joining:
    """Predictions and labels of one model on their way to each other.

    Join time is a record's log time; where the log states none, as files do, it is the row's own time.
    """

    model: str
    sides: Mapping[str, str]
    """Topic → ``prediction``, ``label`` or ``both``."""
    join: Join
    clocks: InputClocks
    truth: Truth
    outcomes: Outcomes
    entities: LastBefore | None = None
    """Finds the predictions of labels that name an entity, where they do."""
    in_one_row: bool = False
    """Whether a prediction's own row says what was true."""
    concept: ConceptStreams | None = None
    """What watches completed pairs one by one, where the configuration has such detectors."""
    duel: Duel | None = None
    """The comparison with the champion, where this model challenges one."""
    against: list[tuple[int, Duel]] = field(default_factory=list)
    """Comparisons that hear of completed pairs, each with this model's side."""
    task: str = ""
    carried: PayloadReader | None = None
    counters: Counter[str] = field(default_factory=Counter)
    """Labels that cannot be used, by reason."""
    last_label: int | None = None
    """Greatest time of any label, as its record states it."""
    source: str = ""
    """The topic of the predictions."""
    _number: int = 0
    _key: bytes = b""
    _record_times: IntArray | None = None
    _changed: bool = False
    _stale: list[bytes] = field(default_factory=list)
    """What detectors of concept drift left behind that are configured no more."""

    @classmethod
    def load(
        cls,
        store: StateStore,
        number: int,
        config: ModelConfig,
        outcomes: Outcomes,
        inputs: Mapping[str, int],
        carried: PayloadReader | None = None,
        shards: int = 1,
        *,
        compared: bool = False,
        memory: int = MEMORY,
    ) -> tuple[Joining, list[str]]:
        """Return the join as it was last written, or an empty one, and in sentences what the configuration changed.

        Parameters
        ----------
        number
            The shard; its inputs are joined with each other.
        inputs
            Topic → its partitions.
        carried
            Reads what predictions carry, for detectors of concept drift; without it there are none.
        shards
            Processes that share the partitions.
        compared
            Whether another model challenges this one.
        memory
            Bytes of joined rows that may stay in memory between checkpoints.

        Raises
        ------
        CorruptStateError
            When what is stored is damaged.
        """
        truth, name = Truth.of(config), config.name
        challenges = config.challenger_of is not None
        completed = carried is not None and (bool(config.concept) or challenges or compared)
        own = {topic: -(-count // shards) for topic, count in inputs.items()}
        matching = matching_of(config, truth, own, completed=completed)
        rules, sides = matching.rules, matching.sides
        changes = []
        budget = rows_within(memory, outcomes.payload)
        try:
            join = Join.load(store, number, name, rules, outcomes.payload, budget=budget)
        except JoinChangedError:
            drop(store, number, name)
            drop_entities(store, number, name)
            changes.append("joins labels anew, since the join's settings or its topics changed; what waited is lost")
            join = Join.load(store, number, name, rules, outcomes.payload, budget=budget)
        mine = {topic: [n for n in range(inputs[topic]) if n % shards == number % shards] for topic in sides}
        known = {(topic, n): InputClock() for topic in sides for n in mine[topic]}
        if are_merged(config.predictions):
            known[PAIRED] = InputClock()
        joining = cls(name, sides, join, InputClocks(SLACK, config.skew, known), truth, outcomes)
        joining.source = stream_name(config.predictions)
        joining._number, joining._key = number, compose(JOININGS, number, name)
        joining._restore(store)
        joining.in_one_row = matching.in_one_row
        if matching.by_entity:
            joining.entities = LastBefore(store, number, name, config.join.wait)
        joining.task, joining.carried = config.task, carried
        if challenges and carried is not None:
            joining.duel, anew = Duel.load(store, number, config)
            joining.against.append((CHALLENGER, joining.duel))
            changes += anew
        if config.concept and carried is not None:
            # River takes seconds to import, and few configurations need it
            from monitor.concept.streams import ConceptStreams  # noqa: PLC0415

            joining.concept, afresh = ConceptStreams.load(store, number, config, carried)
            changes += afresh
        elif not config.concept:
            joining._stale = [key for space in (CONCEPT, STREAMS) for key, _ in store.scan(prefix(space, number, name))]
        return joining, changes

    def begin(self, records: Records) -> None:
        """Move the clock of an input on; call for every run of records before its rows."""
        self._record_times = None
        if records.topic not in self.sides or not len(records):
            return
        self._changed = True
        if UNKNOWN_TIME in records.log_times:
            return
        times = np.array(records.log_times, np.int64)
        self._record_times = self.clocks.advance(
            records.topic, records.partition, times, broker_stamped=records.broker_stamped
        )

    def times(self, batch: Batch, records: Records) -> IntArray:
        """Return the join time of every row of a batch that was decoded from the records last begun."""
        times = self._record_times
        if times is None:
            return self.clocks.advance(records.topic, records.partition, batch.times, broker_stamped=False)
        return times if batch.sources is None else times[batch.sources]

    def paired_times(self, partition: int, paired: Paired) -> IntArray:
        """Return the join times of predictions whose halves met: the later log time of the two."""
        if PAIRED in self.clocks.inputs:
            return np.maximum(paired.moments, self.clocks.watermark)
        return self.clocks.advance(self.source, partition, paired.batch.times, broker_stamped=False)

    def follow(self, moment: int, *, resting: bool) -> None:
        """Note that no prediction whose halves meet later will have a join time before ``moment``."""
        if PAIRED in self.clocks.inputs and moment != NEVER and self.clocks.follow(*PAIRED, moment, idle=resting):
            self._changed = True

    def now(self, partition: int) -> int:
        """Return the join time of a prediction that is accepted while its input rests."""
        if PAIRED in self.clocks.inputs:
            return max(self.clocks.inputs[PAIRED].greatest - self.clocks.slack, self.clocks.watermark)
        return max(self.clocks.inputs[self.source, partition].greatest, self.clocks.watermark)

    def predictions(self, partition: int, batch: Batch, times: IntArray) -> None:
        """Take in accepted predictions with their join times."""
        if len(batch):
            self._changed = True
            at = Positions(partition, times, batch.offsets, rows_of(batch))
            self.join.predictions(batch.ids, at, self.outcomes.pack(batch))
            if self.entities is not None:
                self._remember(self.entities, batch, at)
            if self.in_one_row:
                self._own_labels(batch, at)

    def labels(self, partition: int, batch: Batch, times: IntArray) -> None:
        """Take in labels with their join times."""
        if not len(batch):
            return
        self._changed = True
        newest = int(batch.times.max())
        self.last_label = newest if self.last_label is None else max(self.last_label, newest)
        values, lost = self.truth.labels(batch)
        self.counters.update(lost)
        operations = np.where(retractions(batch), RETRACT, UPSERT)
        at = Positions(partition, times, batch.offsets, rows_of(batch))
        if self.entities is None:
            self.join.labels(batch.ids, at, values, operations)
            return
        rows = self.join.waiting(batch.ids, at, values, operations)
        entities = identify([batch.ids[row] for row in rows.tolist()])
        self.entities.labels(entities, at.take(rows), batch.times[rows], values[rows], operations[rows] == RETRACT)

    def _own_labels(self, batch: Batch, at: Positions) -> None:
        """Take in the labels that predictions carry themselves; one that carries none has none."""
        values, lost = self.truth.labels(batch)
        del lost[MISSING]
        self.counters.update(lost)
        rows = np.flatnonzero(~self.truth.absent(batch))
        if len(rows):
            newest = int(batch.times[rows].max())
            self.last_label = newest if self.last_label is None else max(self.last_label, newest)
            self.join.labels([batch.ids[row] for row in rows.tolist()], at.take(rows), values[rows])

    def _remember(self, entities: LastBefore, batch: Batch, at: Positions) -> None:
        """Remember whom predictions are about; those that do not say get no label."""
        named = batch.columns.get("entity")
        texts = named if isinstance(named, list) else [None] * len(batch)
        rows = np.array([row for row, text in enumerate(texts) if text is not None], np.int64)
        self.counters[NO_ENTITY] += len(batch) - len(rows)
        ids = [batch.ids[row] for row in rows.tolist()]
        about = identify([text for text in texts if text is not None])
        sampled = kept(ids, self.join.rules.sample)
        entities.predictions(about, identify(ids), at.take(rows), batch.times[rows], sampled)

    def advance(self) -> bool:
        """Judge what has come of age, as far as the inputs allow; return whether nothing is left to do."""
        if self.clocks.watermark == NEVER:
            return True
        reached = self.clocks.watermark
        if self.entities is not None:
            self.join.resolved(self.entities.advance(reached))
            reached = self.entities.behind
        done = self.join.advance(reached, _AT_ONCE)
        self.drain()
        return done

    def finish(self) -> None:
        """Take the inputs as complete: none of them holds the others up; what has not come of age stays open."""
        for topic, partition in self.clocks.inputs:
            self.rest(TopicPartition(topic, partition))
        while not self.advance():
            pass

    def drain(self) -> None:
        """Count what the join gave out."""
        joined = self.join.drain()
        completed = joined.kinds == COMPLETED
        if self.concept is not None:
            self.concept.take(joined.take(completed))
            self.concept.advance(self.join.watermark)
        for side, duel in self.against:
            if self.carried is not None:
                duel.take(side, self.task, joined.take(completed), self.carried)
        judged = joined.take(~completed) if completed.any() else joined
        if len(judged):
            self.outcomes.take(judged)
        self.outcomes.advance(self.join.watermark)

    def rest(self, inputs: TopicPartition) -> None:
        """Mark an input as idle until its next record; what follows takes effect once it is written."""
        clock = self.clocks.inputs.get((inputs.topic, inputs.partition))
        if clock is not None and not clock.idle:
            self._changed = True
            self.clocks.rest(inputs.topic, inputs.partition)

    def view(self) -> JoinView:
        """Return what may be shown."""
        coverage = self.join.coverage()
        cells = zip(coverage.ages.tolist(), coverage.predictions.tolist(), coverage.labelled.tolist(), strict=True)
        return JoinView(
            rows=dict(self.join.counters),
            rejected={reason: self.counters[reason] for reason in REASONS},
            flaws=dict(self.outcomes.flaws),
            entities={}
            if self.entities is None
            else {"unnamed": self.counters[NO_ENTITY], "overflow": self.entities.overflow},
            last_label=self.last_label,
            watermark=None if self.join.watermark == NEVER else self.join.watermark,
            delays=quantiles_of(self.join.tally.delays),
            coverage=tuple(cells),
        )

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete; drain first."""
        puts, deletes = self.join.changes()
        more, dropped = self.outcomes.changes()
        puts.update(more)
        deletes = deletes + dropped
        if self._changed:
            puts[self._key] = msgspec.msgpack.encode(self._state())
        deletes = deletes + self._stale
        for part in (self.concept, self.entities, self.duel):
            if part is not None:
                more, gone = part.changes()
                puts.update(more)
                deletes = deletes + gone
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        self.join.written()
        self.outcomes.written()
        for part in (self.concept, self.entities, self.duel):
            if part is not None:
                part.written()
        self._stale = []
        self._changed = False

    def _state(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "clocks": self.clocks.state(),
            "counters": sorted(self.counters.items()),
            "last_label": self.last_label,
        }

    def _restore(self, store: StateReader) -> None:
        data = store.get(self._key)
        if data is None:
            return
        state: dict[str, Any] = msgspec.msgpack.decode(data)
        self.clocks.restore(state["clocks"])
        self.counters = Counter(dict(state["counters"]))
        self.last_label = state["last_label"]
