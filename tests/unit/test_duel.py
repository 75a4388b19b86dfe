"""A challenger beside its champion: compared as scipy does on the same ids, whatever the order and the crashes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.commands.replay import ReplayOptions, replay
from monitor.config.model import ModelConfig
from monitor.duel import CHALLENGER, CHAMPION, Duel
from monitor.events import DAY, HOUR, FloatArray, IntArray
from monitor.join.output import COMPLETED, LABEL, Joined
from monitor.join.payload import Payload, Rows
from monitor.store.memory import MemoryStore
from tests.config_files import examined

BEGIN = 1_793_491_200_000_000
MODEL = """\
  - name: {name}
    positive_class: 1
    decision: "score >= 0.5"
    {more}
    predictions: {{file: "{folder}/p.jsonl", time_format: epoch_us, where: {{value.version: "{version}"}},
      map: {{score: value.score, features: value.features, version: value.version}}}}
    labels: {{file: "{folder}/l.jsonl", time_format: epoch_us, matures_after: 12h,
      map: {{id: value.id, time: value.at, label: value.truth}}}}
    join: {{wait: 1d}}
    performance: {{min_labels: 50}}
    windows: {{daily: {{size: 1d, slide: 1h, lateness: 30m}}}}
"""


def config_of(folder: Path) -> str:
    models = MODEL.format(name="old", version="7", folder=folder, more="")
    models += MODEL.format(name="new", version="8", folder=folder, more="challenger_of: {model: old}")
    head = 'version: 1\nkafka: {bootstrap_servers: ["unused:9092"]}\nmodels:\n'
    return f'{head}{models}state: {{path: "{folder}/state"}}\n'


def test_a_shadow_is_compared_with_its_champion_on_the_same_ids(tmp_path: Path) -> None:
    rng = random.Random(4)
    predictions: list[tuple[int, dict[str, Any]]] = []
    labels, rows = [], []
    for number in range(1500):
        time, score = BEGIN + number * (2 * DAY // 1500), round(rng.random(), 4)
        better = round(min(1, max(0, score + rng.uniform(-0.2, 0.2))), 4)
        truth = int(rng.random() < better)
        said = {"prediction_id": f"i{number}", "features": {"a": score}}
        predictions.append((time, {**said, "score": score, "version": "7"}))
        if number % 3:
            predictions.append((time + rng.randrange(HOUR), {**said, "score": better, "version": "8"}))
        if rng.random() < 0.8:
            labels.append((time + rng.randrange(4 * HOUR), {"id": f"i{number}", "truth": truth}))
            if number % 3:
                rows.append((score, better, truth))
    for number in range(20):
        end = BEGIN + 6 * DAY + number
        predictions += [(end, {"prediction_id": f"e{number}", "score": 0.5, "version": one}) for one in "78"]
        labels.append((end, {"id": "none", "truth": 1}))
    predictions.sort(key=lambda one: one[0])
    labels.sort(key=lambda one: one[0])
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps({"ts": at, **row}) for at, row in predictions) + "\n")
    (tmp_path / "l.jsonl").write_text("\n".join(json.dumps({"at": at, **row}) for at, row in labels) + "\n")
    (tmp_path / "driftline.yaml").write_text(config_of(tmp_path))
    assert replay(tmp_path / "driftline.yaml", {}, ReplayOptions(json=tmp_path / "out.jsonl")) == 0
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    last = {one["detector"]: one for one in told if one["window"] == "challenger"}
    first, second, true = (np.array(column) for column in zip(*rows, strict=True))
    difference = (second - true) ** 2 - (first - true) ** 2
    right = ((first >= 0.5) == true, (second >= 0.5) == true)
    only = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    paired = stats.ttest_rel((second - true) ** 2, (first - true) ** 2)
    assert last["paired_t"]["statistic"] == pytest.approx(difference.mean(), abs=1e-8)
    assert last["paired_t"]["p_value"] == pytest.approx(paired.pvalue, rel=1e-5)
    sign = stats.binomtest(int((difference > 0).sum()), int((difference != 0).sum())).pvalue
    assert last["sign_test"]["p_value"] == pytest.approx(sign, rel=1e-9)
    assert last["mcnemar"]["statistic"] == pytest.approx((only[0] - only[1]) / len(rows), abs=1e-12)
    sequence = last["confidence_sequence"]
    assert sequence["low"] < difference.mean() < sequence["high"]
    assert sequence["model"] == "new"


PAYLOAD = Payload({"score": "<f8", "version": "<u2"})


class Reader:
    """Reads what these payloads carry."""

    version_names = ("a", "b")

    def versions(self, rows: Rows) -> IntArray:
        return rows["version"].astype(np.int64)

    def predicted(self, rows: Rows) -> FloatArray:
        found: FloatArray = (rows["score"] >= 0.5).astype(np.float64)
        return found

    def scores(self, rows: Rows) -> FloatArray:
        found: FloatArray = rows["score"]
        return found

    def scores_of(self, rows: Rows, classes: FloatArray) -> FloatArray:
        return np.full((len(rows), *classes.shape[1:]), np.nan)


Shot = tuple[int, int, int, int]
SHOTS = st.lists(
    st.tuples(st.sampled_from([CHAMPION, CHALLENGER]), st.integers(0, 12), st.integers(0, 50), st.integers(0, 10)),
    max_size=40, unique_by=lambda shot: shot[:2],
)  # fmt: skip  # side, id, hour, score


def pairs_of(shots: list[Shot]) -> Joined:
    times = np.array([hour * HOUR for _, _, hour, _ in shots], np.int64)
    zeros = np.zeros(len(shots), np.int64)
    rows = np.zeros(len(shots), PAYLOAD.dtype)
    rows["score"] = [score / 10 for *_, score in shots]
    rows["version"] = [name % 2 for _, name, _, _ in shots]
    labels = np.array([float(name % 3 == 0) for _, name, _, _ in shots])
    hashes = np.array([name * 0x9E3779B97F4A7C15 % (1 << 64) for _, name, _, _ in shots], np.uint64)
    return Joined(zeros + 1, zeros + COMPLETED, zeros + LABEL, times, rows, labels, zeros, hashes)


CONFIG = ModelConfig(name="new", predictions={"topic": "p"}, challenger_of={"model": "old"})


@settings(max_examples=25, deadline=None)
@given(SHOTS, st.data())
def test_any_order_with_crashes_compares_the_same_ids(shots: list[Shot], data: st.DataObject) -> None:
    calm, _ = Duel.load(MemoryStore(), 0, CONFIG)
    for side in (CHAMPION, CHALLENGER):
        calm.take(side, "binary_classification", pairs_of([one for one in shots if one[0] == side]), Reader())
    calm.close(200 * HOUR)
    met = [
        (one, other) for one in shots for other in shots
        if one[:2] == (CHAMPION, other[1]) and other[0] == CHALLENGER and abs(one[2] - other[2]) <= 24
    ]  # fmt: skip
    assert sum(int(score.total[4]) for score in calm.scores.values()) == len(met)
    assert calm.unmatched == len(shots) - 2 * len(met)
    store = MemoryStore()
    rough, _ = Duel.load(store, 0, CONFIG)
    order = data.draw(st.permutations(shots))
    done = saved = crashes = 0
    while done < len(order):
        part = order[done : done + data.draw(st.integers(1, len(order)))]
        done += len(part)
        for side in data.draw(st.sampled_from([(CHAMPION, CHALLENGER), (CHALLENGER, CHAMPION)])):
            rough.take(side, "binary_classification", pairs_of([one for one in part if one[0] == side]), Reader())
        fate = data.draw(st.sampled_from(["on", "write", "crash"]))
        if fate == "write":
            store.write(*rough.changes(), sync=False)
            rough.written()
            saved = done
        elif fate == "crash" and crashes < 5:
            rough, _ = Duel.load(store, 0, CONFIG)
            done, crashes = saved, crashes + 1
    rough.close(200 * HOUR)
    assert {key: score.total.tolist() for key, score in rough.scores.items()} == {
        key: score.total.tolist() for key, score in calm.scores.items()
    }
    assert rough.unmatched == calm.unmatched
    assert repr(rough.results()) == repr(calm.results())


def test_settings_that_change_start_the_comparison_anew() -> None:
    store = MemoryStore()
    duel, changes = Duel.load(store, 0, CONFIG)
    duel.take(CHAMPION, "binary_classification", pairs_of([(CHAMPION, 1, 0, 5)]), Reader())
    store.write(*duel.changes(), sync=False)
    assert changes == []
    other = CONFIG.model_copy(update={"challenger_of": CONFIG.challenger_of.model_copy(update={"model": "older"})})  # type: ignore[union-attr]  # it has one
    duel, changes = Duel.load(store, 0, other)
    assert len(changes) == 1
    store.write(*duel.changes(), sync=False)
    duel.written()
    assert Duel.load(store, 0, other)[1] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("challenger_of: {model: old}", "challenger_of: {model: odl}", "no other model"),
        ("challenger_of: {model: old}", "challenger_of: {model: new}", "no other model"),
        ("challenger_of: {model: old}", "challenger_of: {model: old}\n    task: multiclass", "another task"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    found = examined(tmp_path, config_of(tmp_path).replace(old, new)).problems
    told = [problem.message for problem in found if "challenger_of" in problem.path]
    assert any(message in text for text in told), [(problem.path, problem.message) for problem in found]
