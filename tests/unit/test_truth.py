"""Labels as numbers, and the reasons for those that cannot be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.config.model import ModelConfig, StreamConfig
from monitor.events import Batch, Column
from monitor.truth import BAD, MISSING, UNKNOWN, Truth, retractions


def config(**fields: Any) -> ModelConfig:
    return ModelConfig(name="m", predictions=StreamConfig(topic="t"), **fields)


def batch(label: Column | None, bad: tuple[int, ...] = (), retract: list[float] | None = None, rows: int = 4) -> Batch:
    columns: dict[str, Column] = {} if label is None else {"label": label}
    if retract is not None:
        columns["retract"] = np.array(retract)
    numbers = np.arange(rows)
    marks = {"label": np.array(bad, np.int64)} if bad else {}
    return Batch("m", "label", ["i"] * rows, [""] * rows, numbers, numbers, numbers, columns, marks)


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        (1, [1.0, 0.0, np.nan, np.nan]),
        (0, [0.0, 1.0, np.nan, np.nan]),
        ("1", [1.0, 0.0, np.nan, np.nan]),
        ("2", [0.0, 0.0, 1.0, np.nan]),
    ],
)
def test_the_other_class_is_known_where_the_positive_one_is_a_digit(positive: int | str, expected: list[float]) -> None:
    truth = Truth.of(config(positive_class=positive))
    np.testing.assert_array_equal(truth.number(["1", "0", "2", None]), expected)


def test_true_and_false_are_a_pair_too() -> None:
    truth = Truth.of(config(positive_class=True))
    np.testing.assert_array_equal(truth.number(["true", "false", "1"]), [1.0, 0.0, np.nan])
    assert truth.value(said=False) == 0.0


def test_classes_of_a_multiclass_model_keep_the_order_in_which_they_are_named() -> None:
    truth = Truth.of(config(task="multiclass", classes=["cat", "dog", 3]))
    np.testing.assert_array_equal(truth.number(["dog", "3", "cat", "cow"]), [1.0, 2.0, 0.0, np.nan])
    assert truth.value("dog") == 1.0


def test_what_cannot_be_used_is_counted_by_reason() -> None:
    truth = Truth.of(config(positive_class="fraud", classes=["legit", "fraud"]))
    values, lost = truth.labels(batch(["fraud", None, "martian", None], bad=(3,)))
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan, np.nan])
    assert lost == {MISSING: 1, BAD: 1, UNKNOWN: 1}


def test_a_regression_takes_numbers() -> None:
    truth = Truth.of(config(task="regression"))
    values, lost = truth.labels(batch(np.array([1.5, np.nan, np.nan, -2.0]), bad=(2,)))
    np.testing.assert_array_equal(values, [1.5, np.nan, np.nan, -2.0])
    assert lost == {MISSING: 1, BAD: 1}
    assert truth.value(3) == 3.0


def test_a_retraction_needs_no_label() -> None:
    truth = Truth.of(config(positive_class=1))
    labels = batch([None, "1", "7", None], retract=[1.0, 0.0, 1.0, np.nan])
    assert retractions(labels).tolist() == [True, False, True, False]
    assert truth.labels(labels)[1] == {MISSING: 1}


def test_a_stream_without_the_column_has_no_labels_at_all() -> None:
    values, lost = Truth.of(config(positive_class=1)).labels(batch(None, rows=2))
    assert np.isnan(values).all()
    assert lost == {MISSING: 2}
