"""What the configuration may say of labels, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.model import ChallengerConfig
from monitor.config.problem import WARNING
from monitor.config.stream_checks import champion_of, unlike_topics, untold_layout
from monitor.events import DAY
from tests.config_files import examined, loaded, minimal

BINARY = "positive_class: 1\n"
LABELS = "labels: {topic: l}\n"


@pytest.mark.parametrize(
    ("model", "path", "message"),
    [
        (LABELS, "labels", "labels of a binary model need positive_class"),
        ("task: multiclass\n" + LABELS, "labels", "labels of a multiclass model need classes"),
        (BINARY + "labels: {}", "labels", "needs exactly one of topic and file"),
        (BINARY + "labels: {topic: l, map: {label: value..x}}", "labels.map.label", "not a path"),
        (BINARY + "labels: {topic: l, map: {label: null}}", "labels.map.label", "labels need one"),
        (BINARY + "labels: {topic: l, map: {score: value.s}}", "labels.map.score", "is not read from labels"),
        (BINARY + "labels: {topic: l, map: {id: row.a}}", "labels.map", "there are no rows without explode"),
        (BINARY + "labels: {file: l.jsonl}", "labels.map.time", "a file states no log times"),
        (BINARY + "labels: {topic: l, matures_after: 15d}", "labels.matures_after", "not above join.wait"),
        (BINARY + "labels: {topic: l, matures_after: 0s}", "labels.matures_after", "must lie above 0"),
        (BINARY + LABELS + "join: {wait: 0s}", "join.wait", "must be above 0"),
        ("task: regression\nlabels: {topic: l, absent_means: none}", "labels.absent_means", "must be a number"),
        (
            "positive_class: a\nclasses: [a, b]\nlabels: {topic: l, absent_means: c}",
            "labels.absent_means",
            "must be one of classes",
        ),
        (BINARY + "labels: {topic: l, absent_means: legit}", "labels.absent_means", "must be one of classes"),
        (BINARY + "classes: [0, 1, 2]", "classes", "a binary model has two"),
        (BINARY + "classes: [1, '1']", "classes", "a class is given twice"),
        ("positive_class: c\nclasses: [a, b]", "positive_class", "must be one of classes"),
        ("task: regression\nclasses: [a, b]", "classes", "a regression has none"),
    ],
)
def test_each_mistake_is_told_once_where_it_stands(tmp_path: Path, model: str, path: str, message: str) -> None:
    found = [problem for problem in examined(tmp_path, minimal(model=model)).problems if problem.code != WARNING]
    assert [problem.path for problem in found] == [f"models[0].{path}"]
    assert message in found[0].message


def test_predictions_have_nothing_to_retract(tmp_path: Path) -> None:
    text = minimal("topic: t, map: {retract: value.gone}")
    assert "only labels are retracted" in str(examined(tmp_path, text).problems[0])


def test_predictions_are_judged_after_all_their_wait_unless_it_is_said(tmp_path: Path) -> None:
    for said, expected in (("", 14 * DAY), (", matures_after: 3d", 3 * DAY)):
        model = loaded(tmp_path, minimal(model=f"{BINARY}labels: {{topic: l{said}}}")).models[0]
        assert model.labels is not None
        assert model.labels.matures_after == expected
        assert model.labels.map.time == "timestamp"
        assert model.labels.map.label == "value.label"


@pytest.mark.parametrize(("shards", "labels", "told"), [(1, 3, False), (2, 3, True), (2, 4, False)])
def test_several_processes_join_only_topics_of_equal_partitions(
    tmp_path: Path, shards: int, labels: int, told: bool
) -> None:
    model = loaded(tmp_path, minimal(model=BINARY + LABELS)).models[0]
    found = unlike_topics(model, {"t": 4, "l": labels}, shards)
    assert (found is not None) == told
    if found is not None:
        assert "t has 4 partitions, l has 3" in found


def test_several_processes_compare_only_models_of_equal_partitions(tmp_path: Path) -> None:
    champion = loaded(tmp_path, minimal(model=BINARY + LABELS)).models[0]
    challenger = champion.model_copy(
        update={
            "name": "next",
            "predictions": champion.predictions.model_copy(update={"topic": "n"}),
            "labels": champion.labels and champion.labels.model_copy(update={"topic": "m"}),
            "challenger_of": ChallengerConfig(model=champion.name),
        }
    )
    assert champion_of([champion, challenger], challenger) is champion
    assert champion_of([champion, challenger], champion) is None
    counts = {"t": 4, "l": 4, "n": 3, "m": 3}
    assert unlike_topics(challenger, counts, 2) is None
    assert unlike_topics(challenger, counts, 1, champion) is None
    found = unlike_topics(challenger, counts, 2, champion)
    assert found is not None
    assert "n has 3 partitions, t has 4" in found
    assert unlike_topics(challenger, counts | {"n": 4, "m": 4}, 2, champion) is None


@pytest.mark.parametrize(("match", "what"), [("id", "keyed by the id"), ("last_before", "keyed by the entity")])
def test_what_no_count_tells_is_said(tmp_path: Path, match: str, what: str) -> None:
    model = loaded(tmp_path, minimal(model=BINARY + LABELS)).models[0]
    assert model.labels is not None
    model = model.model_copy(update={"labels": model.labels.model_copy(update={"match": match})})
    assert untold_layout(model, 1) is None
    found = untold_layout(model, 3)
    assert found is not None
    assert what in found
    assert "t and l" in found
