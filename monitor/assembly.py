"""From a configuration to a pipeline that can run: models, references, state, history, decoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.config.decision import Decision
from monitor.config.model import ModelConfig, stream_name, stream_names
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import ColumnType, Schema
from monitor.events import DAY
from monitor.evidence.spans import evidence_length
from monitor.history import History
from monitor.layout import Layout
from monitor.learning import Learning
from monitor.model import NEVER_ROLLED, Model
from monitor.reference import Reference
from monitor.store.port import StateStore
from monitor.windows import WindowSet


@dataclass(slots=True)
class Assembly:
    """What a pipeline is made of; ``decoders`` is asked again whenever a model's columns change."""

    config: Config
    models: dict[str, Model]
    store: StateStore
    history: History

    def topics(self) -> dict[str, tuple[Model, ...]]:
        """Return the input logs and the models that read each, for predictions, requests or labels."""
        topics = self.predictions()
        for topic, models in (*self.requests().items(), *self.labels().items()):
            known = topics.get(topic, ())
            topics[topic] = (*known, *(model for model in models if model not in known))
        return topics

    def predictions(self) -> dict[str, tuple[Model, ...]]:
        """Return the logs that predictions stand in, those of their responses, and the models that read each."""
        return _by_topic((stream_name(model.config.predictions), model) for model in self.models.values())

    def requests(self) -> dict[str, tuple[Model, ...]]:
        """Return the logs of requests that are apart from their responses, and the models that read each."""
        return _by_topic(
            (name, model) for model in self.models.values() for name in stream_names(model.config.predictions)[1:]
        )

    def labels(self) -> dict[str, tuple[Model, ...]]:
        """Return the logs of labels and the models that read each."""
        return _by_topic(
            (stream_name(model.config.labels), model)
            for model in self.models.values()
            if model.config.labels is not None
        )

    def decoders(self) -> dict[str, Decoder]:
        """Return a decoder a topic, for the columns that the models count now."""
        predictions, requests, labels = self.predictions(), self.requests(), self.labels()
        return {
            topic: Decoder(
                [
                    *(
                        schema
                        for model in (*predictions.get(topic, ()), *requests.get(topic, ()))
                        for schema in Schema.all_of(model.config, columns_of(model), model.types, model.projections)
                        if stream_name(schema.stream) == topic
                    ),
                    *(Schema.of_labels(model.config) for model in labels.get(topic, ())),
                ],
                self.config.limits,
            )
            for topic in self.topics()
        }

    def note_types(self, decoders: Mapping[str, Decoder]) -> None:
        """Take over what decoding has learnt, apart from what the configuration states."""
        for model in self.models.values():
            if model.features is None:
                name, features = model.config.name, model.config.features
                found = [decoders[topic].learnt(name) for topic in stream_names(model.config.predictions)]
                learnt = {field: type_ for one in found for field, type_ in one.items()}
                model.types = {n: t for n, t in learnt.items() if n not in features or features[n].type is None}


def _by_topic(pairs: Iterable[tuple[str, Model]]) -> dict[str, tuple[Model, ...]]:
    topics: dict[str, tuple[Model, ...]] = {}
    for name, model in pairs:
        topics[name] = (*topics.get(name, ()), model)
    return topics


def columns_of(model: Model) -> Mapping[str, ColumnType] | None:
    """Return the features that a model counts with their types, ``None`` while they are learnt."""
    return model.features


def build_models(config: Config, base: Path) -> dict[str, Model]:
    """Return the models of a configuration, each with its reference where one is given."""
    return {model.name: build_model(model, base, config.limits.versions) for model in config.models}


def build_model(config: ModelConfig, base: Path, versions: int = 4) -> Model:
    """Return one model; a relative path to its reference starts at ``base``."""
    windows = WindowSet.of(config.windows or {}, evidence_length(config) or DAY)
    decision = None if config.decision is None else Decision.parse(config.decision)
    model = Model(config, windows, Layout({}), decision, rolled=[NEVER_ROLLED] * (len(windows.tiers.lengths) - 1))
    model.most_versions = versions
    settings = config.reference
    if settings is not None and settings.source is not None:
        model.watch(Reference.load(base / settings.source))
    else:
        period = settings.learn if settings is not None and settings.learn is not None else 14 * 86_400_000_000
        model.learning = Learning(period)
        model.relayout({})
    return model
