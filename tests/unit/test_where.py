"""Parts of the traffic by expression: what it means, what is refused, and what is counted in such a slice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from monitor.config.model import SliceConfig
from monitor.config.where import Where, WhereError
from monitor.events import HOUR, Batch, Column
from monitor.outcomes.evaluation import Evaluation
from monitor.reference.builder import BuildSettings, build_reference
from tests.config_files import examined, minimal
from tests.outcomes_ground import BEGIN, Life, config_of, logs_of

VALUES = [-1.0, 0.0, 1.5, float("nan")]
TEXTS = ["de", "fr", "1", None]
ROWS = list(itertools.product(VALUES, TEXTS))
COLUMNS: dict[str, Column] = {"a": np.array([value for value, _ in ROWS]), "c": [text for _, text in ROWS]}
LEAVES: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("a > 0", "a", lambda x: x > 0),
    ("a <= 1.5", "a", lambda x: x <= 1.5),
    ("0 < a", "a", lambda x: x > 0),
    ("-1 <= a < 1", "a", lambda x: -1 <= x < 1),
    ("a == 1.5", "a", lambda x: x == 1.5),
    ("a in [0, -1]", "a", lambda x: x <= 0),
    ('c == "de"', "c", lambda x: x == "de"),
    ('c != "de"', "c", lambda x: x != "de"),
    ("c == 1", "c", lambda x: x == "1"),
    ('c in ["de", "fr"]', "c", lambda x: x in {"de", "fr"}),
    ('c not in ("de",)', "c", lambda x: x != "de"),
]
"""Text, the column it looks at, and what it says of a cell that is there."""


def truth(tree: Any, row: Mapping[str, Any]) -> bool | None:
    """Return Kleene's truth of a tree of leaves for one row; ``None`` where it is not known."""
    kind, *parts = tree
    if kind == "leaf":
        _, name, test = LEAVES[parts[0]]
        missing = row[name] is None or row[name] != row[name]
        return None if missing else test(row[name])
    found = [truth(part, row) for part in parts]
    if kind == "not":
        return None if found[0] is None else not found[0]
    decisive = kind == "or"
    return decisive if decisive in found else None if None in found else not decisive


def spelled(tree: Any) -> str:
    kind, *parts = tree
    if kind == "leaf":
        text, _, _ = LEAVES[parts[0]]
        return str(text)
    if kind == "not":
        return f"not ({spelled(parts[0])})"
    return f" {kind} ".join(f"({spelled(part)})" for part in parts)


TREES = st.recursive(
    st.tuples(st.just("leaf"), st.integers(0, len(LEAVES) - 1)),
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_an_expression_means_what_each_row_says(tree: Any) -> None:
    found = Where.parse(spelled(tree)).of(COLUMNS, {}, len(ROWS)).tolist()
    for (a, c), said in zip(ROWS, found, strict=True):
        expected = truth(tree, {"a": a, "c": c})
        assert np.isnan(said) if expected is None else said == float(expected), (spelled(tree), a, c)


def test_odd_names_stand_in_backticks_and_types_that_do_not_fit_are_unknown() -> None:
    where = Where.parse("`total amount` > 3 and flag == true")
    assert where.names == ("total amount", "flag")
    columns: dict[str, Column] = {"total amount": np.array([4.0, 4.0, 2.0]), "flag": ["true", "false", None]}
    assert where.of(columns, {}, 3).tolist() == [1.0, 0.0, 0.0]
    for text in ("c > 3", 'a == "x" and b > 1', "z < 1"):
        assert not (Where.parse(text).of(COLUMNS, {}, len(ROWS)) == 1).any()


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a >", "a > b", "1 < 2", "a + 1 > 2", "f(a) > 1", "a.b > 1", "a[0] > 1", "open(1)", "a > 1e999",
        "a is 1", "a in 3", "a in [b]", 'a > "x"', "a > None", "`a > 1", "a > 1; b", "lambda: 1", "a := 3", "not a",
        "a if b else c", " and ".join(["a > 1"] * 300), "(" * 500 + "a > 1" + ")" * 500,
    ],
)  # fmt: skip
def test_nothing_else_is_an_expression(text: str) -> None:
    with pytest.raises(WhereError):
        Where.parse(text)


SLICES = [{"name": "sure", "where": "score >= 0.8 or score < 0.2", "min_samples": 1}]


def test_labels_are_judged_within_the_part() -> None:
    logs = logs_of(800, 5, ugly=False, hours=1)
    life = Life(config_of(slices=[*SLICES, {"by": ["country"], "min_samples": 1}]), logs)
    life.run()
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", BEGIN)])
    evaluation.judge({"hourly": BEGIN + HOUR}, 0.0, all_=True)
    last = {row.id: row.truth for row in logs["l"]}
    for name, inside in (("sure=yes", True), ("sure=no", False)):
        rows = [
            (row.score, int(str(last[row.id]))) for row in logs["p"][:-1]
            if row.version == "1" and row.id in last and (not 0.2 <= row.score < 0.8) == inside
        ]  # fmt: skip
        score, true = (np.array(column) for column in zip(*rows, strict=True))
        view = evaluation.latest["1", name, "hourly"]
        assert view.running["accuracy"].value == pytest.approx(oracle.accuracy_score(true, score >= 0.5), abs=1e-12)
        assert view.running["log_loss"].value == pytest.approx(oracle.log_loss(true, score), abs=1e-9)
    assert ("1", "country=de", "hourly") in evaluation.latest


def test_a_reference_counts_the_part_and_has_no_column_of_it() -> None:
    rng = np.random.default_rng(3)
    rows = 5000
    columns = {"amount": rng.exponential(1000, rows), "score": rng.random(rows)}
    columns["amount"][::10] = np.nan
    times = BEGIN + np.arange(rows) * (26 * HOUR // rows)
    batch = Batch(
        "m", "prediction", [f"i{n}" for n in range(rows)], [""] * rows, times, times, np.arange(rows), columns
    )
    slices = (SliceConfig(name="high", where="amount > 1000", min_samples=10),)
    reference = build_reference(BuildSettings(model="m", slices=slices), lambda: [batch], source="test")
    assert set(reference.columns) == {"amount", "score"}
    (key,) = [key for key in reference.crosses if key[1] == ""]
    assert key[0] == ("where:high",)
    assert reference.crosses[key].counts.tolist() == [
        int((columns["amount"] <= 1000).sum()), int((columns["amount"] > 1000).sum()), rows // 10,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sliced", "path", "message"),
    [
        ("{}", "slices[0]", "needs by or where"),
        ("{where: 'a > 1'}", "slices[0].where", "needs a name"),
        ("{name: x, where: 'a > 1', by: [a]}", "slices[0].where", "exclude each other"),
        ("{name: x, where: 'a >'}", "slices[0].where", "not an expression"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, sliced: str, path: str, message: str) -> None:
    found = examined(tmp_path, minimal(model=f"slices: [{sliced}]")).problems
    told = [problem.message for problem in found if problem.path == f"models[0].{path}"]
    assert any(message in text for text in told), [(problem.path, problem.message) for problem in found]
