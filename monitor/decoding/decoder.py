"""From raw records of one topic to batches of rows, rejects and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from monitor.config.root import LimitsConfig
from monitor.decoding.assemble import Ledger
from monitor.decoding.blocks import blocks, join_chunks
from monitor.decoding.loose_engine import LooseEngine
from monitor.decoding.outer import Outer
from monitor.decoding.plan import compile_plan
from monitor.decoding.reading import Engine, Reading
from monitor.decoding.reasons import Reason
from monitor.decoding.routing import Routed, Router
from monitor.decoding.schema import ColumnType, Schema
from monitor.decoding.text import admit, lengths_of
from monitor.decoding.typed_engine import TypedEngine
from monitor.events import Chunk, IntArray, Records

_MOSTLY: Final = 0.5


class Decoder:
    """Decodes the records of one topic for every model that reads it.

    What comes out is a function of each record alone (and, while columns are learnt, of the records before it in the
    log): how records are cut into chunks does not matter. Bad data never raise. A key that stands twice in an object
    counts with its last value.

    Parameters
    ----------
    schemas
        The streams that read this topic.
    limits
        Bounds on what is parsed.

    Raises
    ------
    ValueError
        When a mapping cannot be compiled.

    Examples
    --------
    >>> from monitor.config.model import StreamConfig
    >>> from monitor.events import Records
    >>> stream = StreamConfig.model_validate({"topic": "p", "map": {"features": "value.x", "score": "value.score"}})
    >>> decoder = Decoder([Schema("fraud", stream, {"amount": "numeric"})], LimitsConfig())
    >>> value = b'{"prediction_id": "a", "ts": "2026-11-01T00:00:00Z", "x": {"amount": true}, "score": 0.5}'
    >>> chunk = decoder.decode(Records("p", 0, 1, [0], [0], True, [None], [value]))
    >>> batch = chunk.batches[0]
    >>> batch.ids, batch.columns["score"].tolist(), batch.bad
    (['a'], [0.5], {'amount': array([0])})
    """

    def __init__(self, schemas: Sequence[Schema], limits: LimitsConfig) -> None:
        plans = [compile_plan(schema, limits.max_features_per_model) for schema in schemas]
        self._limits = limits
        self._engines: list[Engine] = [
            TypedEngine(plan) if TypedEngine.fits(plan) else LooseEngine(plan, limits) for plan in plans
        ]
        self._router = Router(plans)
        self._glance = len(plans) > 1 or self._router.samples
        self._elsewhere = False
        self._sole = plans[0].schema.model if len(plans) == 1 and not plans[0].where else None
        self.needs_headers = any(path.root == "headers" for plan in plans for path in plan.paths())
        """Whether some mapping reads headers; otherwise the source may leave them out."""

    def decode(self, records: Records) -> Chunk:
        """Decode consecutive records of one partition."""
        parts = [self._decode(*part) for part in blocks(records, lengths_of(records.values))]
        return parts[0] if len(parts) == 1 else join_chunks(records, parts)

    def _decode(self, records: Records, lengths: IntArray) -> Chunk:
        ledger = Ledger(records)
        longest = int(lengths.max(initial=0))
        outers = [Outer(records, engine.plan.decodes, self._limits, longest) for engine in self._engines]
        admitted, refused = admit(records.values, self._limits, lengths)
        for index, reason in refused:
            ledger.refuse(index, reason, self._sole)
        candidates: Sequence[int] = range(len(records)) if admitted is None else admitted
        ledger.count("tombstone", len(records) - len(candidates) - len(refused))
        routed = self._router.route(records, candidates, outers, parse=self._glance or self._elsewhere)
        readings = [
            engine.read(records, mine.candidates, outer, ledger) if mine.candidates else Reading()
            for engine, mine, outer in zip(self._engines, routed, outers, strict=True)
        ]
        self._settle(candidates, routed, readings, ledger)
        ledger.rejects.sort(key=lambda reject: (reject.offset, -1 if reject.row is None else reject.row))
        return Chunk(
            topic=records.topic,
            partition=records.partition,
            next_offset=records.next_offset,
            records=records,
            batches=tuple(reading.batch for reading in readings if reading.batch is not None),
            rejects=tuple(ledger.rejects),
            counts=dict(ledger.counts),
        )

    def learnt(self, model: str) -> dict[str, ColumnType | None]:
        """Return the types learnt so far, for the state; ``None`` for a field that was always null."""
        return {
            name: kind
            for engine in self._engines
            if engine.plan.schema.model == model
            for name, kind in engine.plan.learnt.items()
        }

    def _settle(
        self, candidates: Sequence[int], routed: Sequence[Routed], readings: Sequence[Reading], ledger: Ledger
    ) -> None:
        """Say of every record whose it is; refuse what cannot be read, once where nobody knows whose it is."""
        pairs = list(zip(routed, readings, strict=True))
        plain = not any(mine.unsampled or reading.unreadable for mine, reading in pairs)
        if plain and any(len(m.candidates) == len(candidates) and not r.unmatched for m, r in pairs):
            self._elsewhere = False
            return
        claimed = np.zeros(len(ledger.records), bool)
        lost: dict[int, Reason] = {}
        for engine, mine, reading in zip(self._engines, routed, readings, strict=True):
            taken = np.zeros(len(claimed), bool)
            taken[np.array(mine.candidates, np.int64)] = True
            taken[np.array(reading.unmatched, np.int64)] = False
            for index, reason in reading.unreadable:
                taken[index] = not engine.plan.by_value
                if engine.plan.by_value:
                    lost[index] = reason
                else:
                    ledger.refuse(index, reason, engine.plan.schema.model)
            claimed |= taken
            claimed[np.array(mine.unsampled, np.int64)] = True
            ledger.count("unsampled", len(mine.unsampled), engine.plan.schema.model)
        for index, reason in lost.items():
            if not claimed[index]:
                ledger.refuse(index, reason, None)
                claimed[index] = True
        unmatched = len(candidates) - int(np.count_nonzero(claimed))
        ledger.count("unmatched", unmatched)
        self._elsewhere = unmatched > _MOSTLY * len(candidates)
