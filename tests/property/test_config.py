"""Whatever stands in the file, reading it ends in a configuration or in problems, and values are not quoted."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.load import examine
from monitor.config.read import read_tree
from monitor.config.tree import typed
from tests.config_files import FULL

CANARY = "cAnArY"
TEXT = FULL.replace("${file:secret}", "${PASSWORD:-secret}")
SCALARS = st.one_of(
    st.sampled_from([f"${{{CANARY}", f"${{X:-{CANARY}}}", CANARY, f"[{CANARY}]", f"{{{CANARY}: 1 }}", f"*{CANARY}"]),
    st.sampled_from(
        ["", "~", "-1", "1e400", ".nan", "0x1f", "true", "[]", "{}", "[[]]", "'", "&a", "<<: {}", "!!set {}"]
    ),
    st.text(max_size=8),
)


def read(text: str) -> str:
    """Examine a text; return what is said to be wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "driftline.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        found = examine(path, {"X": CANARY})
    assert found.config is not None or found.errors
    for problem in found.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.code
    return "\n".join(map(str, found.problems))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    read(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), SCALARS)
def test_a_value_replaced(seed: int, scalar: str) -> None:
    lines = TEXT.splitlines()
    place = random.Random(seed).randrange(len(lines))
    key, colon, _ = lines[place].partition(": ")
    lines[place] = f"{key}{colon or ': '}{scalar}"
    read("\n".join(lines))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_piece_removed(seed: int) -> None:
    chance = random.Random(seed)
    start = chance.randrange(len(TEXT))
    read(TEXT[:start] + TEXT[start + chance.randrange(1, 60) :])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_an_interpolated_value_is_never_quoted_in_problems(seed: int) -> None:
    lines = TEXT.splitlines()
    place = random.Random(seed).randrange(1, len(lines))
    key, colon, _ = lines[place].partition(": ")
    lines[place] = f"{key}: ${{X}}" if colon else lines[place]
    assert CANARY not in read("\n".join(lines))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False)))
def test_scalars_mean_what_yaml_says(value: float | None) -> None:
    text = {None: "null", True: "true", False: "false"}.get(cast("Any", value)) if not _number(value) else None
    written = text if text is not None else _spell(value)
    assert typed(written) == value
    assert type(typed(written)) is type(value)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 9), max_size=4), st.booleans())
def test_block_and_flow_give_one_tree(data: dict[str, int], flow: bool) -> None:
    block = "".join(f"k{key}: {value}\n" for key, value in data.items())
    text = "{" + ", ".join(f"k{key}: {value}" for key, value in data.items()) + "}" if flow else block or "{}"
    problems: list[Any] = []
    tree = read_tree(text, "x", problems)
    assert tree is not None
    assert problems == []
    assert tree.data == {f"k{key}": value for key, value in data.items()}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spell(value: object) -> str:
    text = repr(value)
    return text.replace("inf", ".inf") if "inf" in text else text
