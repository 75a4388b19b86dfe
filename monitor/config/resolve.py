"""What a model gets that does not say otherwise."""

from __future__ import annotations

from typing import Final

from monitor.config.model import DetectorConfig, LabelsConfig, ModelConfig, ReferenceConfig, WindowConfig
from monitor.config.root import Config, DefaultsConfig
from monitor.events import DAY, HOUR, MINUTE

LEARN: Final = 14 * DAY

WINDOWS: Final = {
    "fast": WindowConfig(size=15 * MINUTE, lateness=MINUTE),
    "daily": WindowConfig(size=DAY, slide=HOUR, lateness=30 * MINUTE),
}
"""A quarter of an hour to see a break at once, a day to see what hides in the daily cycle."""

DETECTORS: Final = (
    DetectorConfig(kind="psi", on=["features", "score", "prediction"], warn=0.1, alert=0.25),
    DetectorConfig(kind="rate", on=["quality", "flagged", "error"], warn=0.01, alert=0.05),
    DetectorConfig(kind="ks", on=["numeric", "score"], window="daily", warn=0.1, alert=0.2),
)
"""The thresholds that people know, on effects: none of them cries because a window is large."""

VECTORS: Final = DetectorConfig(kind="mmd", on=["features"], warn=0.01, alert=0.05)
"""About where a tenth, or more than a fifth, of the vectors is of a new kind. For models that have a vector."""

VOLUME: Final = DetectorConfig(kind="rate", on=["volume"], warn=0.4, alert=0.7)
"""Half as many rows again, or a third fewer, warn; twice as many, or half, are drift. Of references from files nobody
knows whether they hold all rows or a sample, so this is a default only where the reference is learnt."""


def resolve(config: Config) -> Config:
    """Return the configuration with ``reference``, ``windows`` and ``detectors`` filled in every model.

    A model's own windows or detectors replace the defaults; its reference is filled field by field, except that
    whoever names a ``source`` does not inherit ``learn``, and the other way round. A built-in detector on a window that
    the model does not have is left on every window.
    """
    return config.model_copy(update={"models": [resolve_model(model, config.defaults) for model in config.models]})


def resolve_model(model: ModelConfig, defaults: DefaultsConfig) -> ModelConfig:
    """Return one model with everything filled."""
    windows = model.windows or defaults.windows or WINDOWS
    detectors = model.detectors or defaults.detectors
    reference = merge_reference(model.reference, defaults.reference)
    if detectors is None:
        chosen = DETECTORS if reference.source is not None else (*DETECTORS, VOLUME)
        if any(feature.type == "vector" for feature in model.features.values()):
            chosen = (*chosen, VECTORS)
        detectors = [
            found if found.window is None or found.window in windows else found.model_copy(update={"window": None})
            for found in chosen
        ]
    return model.model_copy(
        update={
            "windows": dict(windows),
            "detectors": detectors,
            "reference": reference,
            "labels": resolve_labels(model),
            "alerts": model.alerts or defaults.alerts,
        }
    )


def resolve_labels(model: ModelConfig) -> LabelsConfig | None:
    """Return the labels with the age at which predictions are judged; by default all the time that they wait."""
    labels = model.labels
    if labels is None or labels.matures_after is not None:
        return labels
    return labels.model_copy(update={"matures_after": model.join.wait})


def merge_reference(own: ReferenceConfig | None, default: ReferenceConfig | None) -> ReferenceConfig:
    """Return the model's reference with what it leaves out taken from the default.

    >>> merge_reference(ReferenceConfig(bins=64), ReferenceConfig(learn=7 * DAY)).learn == 7 * DAY
    True
    >>> merge_reference(ReferenceConfig(source="a.json"), ReferenceConfig(learn=7 * DAY)).learn is None
    True
    """
    said = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
    filled = {} if default is None else {name: getattr(default, name) for name in default.model_fields_set}
    if said.get("source") is not None or said.get("learn") is not None:
        filled = {name: value for name, value in filled.items() if name not in {"source", "learn"}}
    merged = {**filled, **{name: value for name, value in said.items() if value is not None}}
    if merged.get("source") is None and merged.get("learn") is None:
        merged["learn"] = LEARN
    return ReferenceConfig(**merged)
