"""What decoding needs to know about one stream of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from detectors.embeddings.projection import Projection
from monitor.config.model import ModelConfig, StreamConfig
from monitor.decoding.cells import category
from monitor.decoding.halves import REQUEST, RESPONSE, halves
from monitor.events import Kind

ColumnType: TypeAlias = Literal["numeric", "categorical", "vector", "ignore"]
CellKind: TypeAlias = Literal["numeric", "categorical", "vector", "flag", "unknown", "ignore"]

ROLES: Final = ("score", "prediction", "label", "latency", "error", "retract", "entity")
"""Columns beside the features; a feature cannot have one of these names."""
INTERVAL: Final = ("lower", "upper", "deviation")
"""What a prediction may claim of its own error."""
MOST_LISTED: Final = 13
"""Places of a ranked list that count."""


RESERVED: Final = frozenset({*ROLES, "flagged", "volume"})
"""Names that are never learnt as features: roles, and columns that are made of others."""
_CARRIED: Final = frozenset({"label", "retract", "entity"})
_FAMILIES: Final = ("scores[", "interval[", "quantiles[", "items[", "relevance[", "selected[")
"""How the columns of roles that are several numbers begin."""


def score_column(name: str) -> str:
    """Return the column that holds the score of one class.

    >>> score_column("fox")
    'scores[fox]'
    """
    return f"scores[{name}]"


def interval_column(name: str) -> str:
    """Return the column of one part of what a prediction claims of its own error: lower, upper or deviation.

    >>> interval_column("lower")
    'interval[lower]'
    """
    return f"interval[{name}]"


def quantile_column(level: str) -> str:
    """Return the column that holds one predicted quantile.

    >>> quantile_column("0.05")
    'quantiles[0.05]'
    """
    return f"quantiles[{level}]"


def selection_column(name: str) -> str:
    """Return the column of what decides whether a row can have a label: action or propensity.

    >>> selection_column("action")
    'selected[action]'
    """
    return f"selected[{name}]"


def item_column(place: int) -> str:
    """Return the column that holds the item at a place of a ranked list."""
    return f"items[{place}]"


def relevance_column(place: int) -> str:
    """Return the column that holds the relevance of the item at a place of a ranked list."""
    return f"relevance[{place}]"


def is_reserved(name: str) -> bool:
    """Whether no feature can have this name."""
    return name in RESERVED or name.startswith(_FAMILIES)


def is_carried(name: str) -> bool:
    """Whether a column only goes along until its row is judged: it has no bins, and no reference."""
    return name in _CARRIED or name.startswith((*_FAMILIES, "where:"))


@dataclass(frozen=True)
class Schema:
    """One stream of one model: its mapping, and the types of its features.

    ``columns`` gives the type of every feature; ``ignore`` marks a field that is known and not read. With ``None`` the
    features are learnt: the first value that is not null decides a field's type, in the order of the log (numbers are
    numeric, texts and bools categorical, objects and lists ignored), and later values of another type are bad cells.
    Rows that are refused decide nothing.
    A field whose name is ``RESERVED`` is ignored.
    ``learnt`` is what earlier runs have learnt, as ``Decoder.learnt`` returned it.
    """

    model: str
    stream: StreamConfig
    columns: Mapping[str, ColumnType] | None = None
    kind: Kind = "prediction"
    classification: bool = True
    """Whether predictions and labels are categories; otherwise they are numbers."""
    classes: tuple[str, ...] = ()
    """Classes that have scores."""
    ranking: bool = False
    """Whether labels are the relevance of the items of a list."""
    learnt: Mapping[str, ColumnType | None] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Vector → how many numbers it has."""
    projections: Mapping[str, Projection] | None = field(default_factory=dict)
    """Vector → what its columns are made by; one without is left out. ``None`` leaves vectors as they are."""

    @classmethod
    def of(
        cls,
        model: ModelConfig,
        columns: Mapping[str, ColumnType] | None = None,
        learnt: Mapping[str, ColumnType | None] | None = None,
        projections: Mapping[str, Projection] | None = None,
    ) -> Schema:
        """Return the schema of a model's predictions.

        Types that the configuration states hold, whether the rest is known or still to be learnt.
        """
        stated: dict[str, ColumnType] = {
            name: feature.type if feature.type in {"numeric", "categorical", "vector"} else "ignore"
            for name, feature in model.features.items()
            if feature.type is not None
        }
        return cls(
            model=model.name,
            stream=model.predictions,
            columns=None if columns is None else {**columns, **{n: t for n, t in stated.items() if n in columns}},
            classification=model.task != "regression",
            ranking=model.task == "ranking",
            classes=tuple(str(category(name)) for name in model.classes or ()),
            learnt={**(learnt or {}), **stated},
            sizes={name: feature.size for name, feature in model.features.items() if feature.size is not None},
            projections=projections or {},
        )

    @classmethod
    def all_of(
        cls,
        model: ModelConfig,
        columns: Mapping[str, ColumnType] | None = None,
        learnt: Mapping[str, ColumnType | None] | None = None,
        projections: Mapping[str, Projection] | None = None,
    ) -> tuple[Schema, ...]:
        """Return the schemas of a model's predictions: one, or those of requests and responses.

        Raises
        ------
        HalfError
            When the mapping does not say which half a role is of.
        """
        whole = cls.of(model, columns, learnt, projections)
        if model.predictions.pair is None:
            return (whole,)
        found = []
        for kind, stream in _kinds(halves(model.predictions)):
            own = stream.map.features is not None
            types = whole.columns if own else {}
            found.append(replace(whole, stream=stream, kind=kind, columns=types, learnt=whole.learnt if own else {}))
        return tuple(found)

    @classmethod
    def of_labels(cls, model: ModelConfig) -> Schema:
        """Return the schema of a model's labels.

        Raises
        ------
        ValueError
            When the model has none.
        """
        if model.labels is None:
            raise ValueError(f"{model.name} has no labels")
        return cls(model.name, model.labels, {}, "label", model.task != "regression", ranking=model.task == "ranking")


def _kinds(both: tuple[StreamConfig, StreamConfig]) -> tuple[tuple[Kind, StreamConfig], ...]:
    return (REQUEST, both[0]), (RESPONSE, both[1])
