"""Opening the state and putting a pipeline back where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from monitor.alerting.outlet import Outlet, Taker
from monitor.assembly import Assembly, build_models
from monitor.changes import window_changes
from monitor.closing import Closing
from monitor.concept.reading import OutcomesReader
from monitor.config.root import Config
from monitor.config.stream_checks import champion_of, unlike_topics
from monitor.crashes import CrashGuard
from monitor.dead_letters import build_sink
from monitor.duel import CHAMPION
from monitor.evaluate import Evaluator
from monitor.evidence.keeper import Keeper
from monitor.evidence.matured import Matured
from monitor.evidence.searched import Searched
from monitor.evidence.stream import Source as Evidence
from monitor.history import History
from monitor.inputs import InputWatch
from monitor.join.join import MEMORY
from monitor.joining import Joining
from monitor.keys import compose
from monitor.layout import Layout
from monitor.model import Model
from monitor.outcomes import ModelOutcomes, outcomes_of
from monitor.outcomes.evaluation import Evaluation
from monitor.outgoing import HOLD, Outgoing
from monitor.pairing import Pairing
from monitor.panes import Shelf
from monitor.partition import Partition
from monitor.pipeline import Pipeline, no_fault, no_pulse, wall_clock
from monitor.positions import Inputs, UnlikeTopicsError
from monitor.progress import CLOSING, decode_closing, restore_model
from monitor.published import PublishedFile, hold_after
from monitor.sources.port import Source, TopicPartition
from monitor.store.port import StateStore
from monitor.store.rocks import RocksStore
from monitor.switching import Switches
from monitor.watermark import NEVER

log = structlog.get_logger(__name__)
_PANE_BUDGET: Final = 64 << 20
"""Bytes of clean panes that all partitions together keep in memory."""
_LEAST_OF_JOIN: Final = 4 << 20
"""Bytes of joined rows that every model may keep in memory, however many models there are."""


def open_pipeline(
    config: Config,
    source: Source,
    *,
    base: Path | None = None,
    fault: Callable[[str], None] = no_fault,
    pulse: Callable[[], None] = no_pulse,
    store: StateStore | None = None,
    alerts: Taker | None = None,
    wall: Callable[[], int] = wall_clock,
) -> Pipeline:
    """Open the state, put every model back where it was, and seek the source to the stored positions.

    Parameters
    ----------
    alerts
        Who hears of what is found; without it nobody does.
    wall
        Wall clock in microseconds.
    """
    opened = _open_store(config) if store is None else store
    try:
        history = History(Path(config.state.path) / "history.sqlite")
        try:
            assembly = Assembly(config, build_models(config, base or Path()), opened, history)
            signals = None if alerts is None else Outlet(opened, config.models, alerts, wall)
            return _restored(assembly, source, fault, pulse, signals, wall)
        except BaseException:
            history.close()
            raise
    except BaseException:
        if store is None:
            opened.close()
        raise


def _restored(
    assembly: Assembly,
    source: Source,
    fault: Callable[[str], None],
    pulse: Callable[[], None],
    signals: Outlet | None,
    wall: Callable[[], int],
) -> Pipeline:
    config, opened, models = assembly.config, assembly.store, assembly.models
    commit = opened.commit()
    stale = [key for model in models.values() for key in restore_model(model, opened)]
    switches = Switches.open(Path(config.state.path), models, opened)
    inputs = Inputs(config, source, opened)
    partitions = _partitions(assembly, inputs)
    ids = inputs.seek(assembly.topics(), assembly.predictions(), partitions)
    outcomes = {
        name: outcomes_of(model, opened, config.state.shards.index)
        for name, model in models.items()
        if model.config.is_labelled
    }
    joinings = _joinings(assembly, inputs, outcomes)
    for partition in partitions.values():
        partition.joinings = joinings
    pipeline = Pipeline(
        assembly=assembly,
        source=source,
        decoders=assembly.decoders(),
        partitions=partitions,
        closings={name: _closing(opened, model, partitions.values()) for name, model in models.items()},
        evaluator=Evaluator(partitions),
        joinings=joinings,
        pairing=_pairing(assembly, inputs, partitions, joinings),
        evaluations={name: Evaluation(one) for name, one in outcomes.items()},
        switches=switches,
        evidence=Keeper.open(config, models, partitions, opened, _sources(outcomes, joinings)),
        outgoing=Outgoing(opened, build_sink(config), config.limits.max_dead_letters),
        watch=InputWatch(source, assembly.predictions()),
        published=PublishedFile(opened.directory),
        fault=fault,
        pulse=pulse,
        signals=signals,
        wall=wall,
    )
    for name, model in models.items():
        for change in model.changes:
            log.warning("the configuration changed", model=name, change=change)
        for misfit in model.misfits():
            log.error("a vector cannot be read", model=name, problem=misfit)
    pipeline.entering = ({**ids, **_hold_back(pipeline, commit, inputs.begun_anew)}, stale)
    pipeline.begin()
    pipeline.guard = CrashGuard.open(opened.directory, pipeline.positions())
    return pipeline


def _partitions(assembly: Assembly, inputs: Inputs) -> dict[int, Partition]:
    models, store = assembly.models, assembly.store
    numbers, layouts = inputs.numbers(assembly.topics()), _Layouts(models)
    budget = _PANE_BUDGET // max(len(numbers), 1)
    lengths = {name: model.windows.tiers.lengths for name, model in models.items()}
    return {
        number: Partition.load(number, models, store, Shelf(number, store, layouts, lengths, budget))
        for number in numbers
    }


def _pairing(
    assembly: Assembly, inputs: Inputs, partitions: Mapping[int, Partition], joinings: Mapping[str, Joining]
) -> Pairing:
    """Return the pairs of every model whose requests and responses are logged apart."""
    counts, shards = inputs.source.partitions(assembly.topics()), assembly.config.state.shards
    for model in assembly.models.values():
        if model.config.predictions.pair is not None and (unlike := unlike_topics(model.config, counts, shards.count)):
            raise UnlikeTopicsError(unlike)
    shard = (shards.index, shards.count)
    return Pairing.open(assembly.models, partitions, joinings, counts, assembly.store, shard)


def _joinings(assembly: Assembly, inputs: Inputs, outcomes: Mapping[str, ModelOutcomes]) -> dict[str, Joining]:
    """Return the join of every model that has labels, with what counts its output."""
    counts = inputs.source.partitions(assembly.topics())
    shards = assembly.config.state.shards
    joinings = {}
    for name, taker in outcomes.items():
        model = assembly.models[name]
        champion = champion_of(assembly.config.models, model.config)
        if unlike := unlike_topics(model.config, counts, shards.count, champion):
            raise UnlikeTopicsError(unlike)
        joining, changes = Joining.load(
            assembly.store, shards.index, model.config, taker, counts, OutcomesReader(taker), shards.count,
            compared=any(_champion(other) == name for other in assembly.models.values()),
            memory=max(_LEAST_OF_JOIN, MEMORY // len(outcomes)),
        )  # fmt: skip
        joinings[name] = joining
        model.changes += changes
    for joining in joinings.values():
        if joining.duel is not None and joining.duel.champion in joinings:
            joinings[joining.duel.champion].against.append((CHAMPION, joining.duel))
    return joinings


def _champion(model: Model) -> str | None:
    return None if model.config.challenger_of is None else model.config.challenger_of.model


def _sources(
    outcomes: Mapping[str, ModelOutcomes], joinings: Mapping[str, Joining]
) -> Callable[[Model], Sequence[Evidence]]:
    """Return what evidence is gathered from besides inputs."""

    def sources(model: Model) -> Sequence[Evidence]:
        name = model.config.name
        if name not in outcomes:
            return []
        own, searching = outcomes[name], outcomes[name].searching

        def watermark() -> int:
            return joinings[name].join.watermark

        found: list[Evidence] = [Matured(own, watermark)]
        return found if searching is None else [*found, Searched(searching, watermark)]

    return sources


def _hold_back(pipeline: Pipeline, commit: int, begun_anew: Iterable[TopicPartition]) -> dict[bytes, bytes]:
    """Have letters held back that were published before the state went back to a generation.

    Returns
    -------
    What the next write must put, so that it stays so over a crash.
    """
    store, mark = pipeline.assembly.store, pipeline.published.read()
    hold = hold_after(mark, commit, store.get(compose(HOLD, 0)), pipeline.positions(), begun_anew)
    pipeline.hold = hold
    if mark is not None and commit <= mark.commit:
        pipeline.outgoing.keep_only(mark.waiting)
    if hold:
        log.warning(
            "dead letters up to these offsets were sent before the state went back; they are not sent again",
            inputs={f"{name.topic}[{name.partition}]": offset for name, offset in hold.offsets.items()},
        )
    return {compose(HOLD, 0): hold.to_bytes()} if hold else {}


def _open_store(config: Config) -> StateStore:
    state = config.state
    store = RocksStore.open(Path(state.path) / "store", create=True, generations=state.generations)
    if store.recovery is not None:
        log.warning(
            "the state was damaged; reading goes on from an earlier generation",
            reason=store.recovery.reason,
            generation=store.recovery.generation.number,
            kept=store.recovery.kept,
        )
    return store


class _Layouts(Mapping[str, Layout]):
    """The layout that each model has at the moment."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models

    def __getitem__(self, name: str) -> Layout:
        return self._models[name].layout

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)


def _closing(store: StateStore, model: Model, partitions: Iterable[Partition]) -> Closing:
    """Return the progress of a model's windows; a window of another size or slide than before starts fresh."""
    name = model.config.name
    data = store.get(compose(CLOSING, 0, name))
    closing = Closing() if data is None else decode_closing(data)
    gone = closing.kinds.keys() - {window.name for window in model.windows.windows}
    newest = max((p.clocks[name].greatest for p in partitions if name in p.clocks), default=NEVER)
    model.changes += window_changes(closing.fit(model, newest), sorted(gone))
    return closing
