"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("alerts", "dashboards", "detectors", "monitor")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
MEDIAN_FILE = 120
LARGE_FILE = 400
LARGE_FUNCTION = 30
LARGEST_FUNCTION = 60


def percentile_95(sizes: list[int]) -> int:
    """Return the size that 95 % of them do not exceed."""
    return sorted(sizes)[max(0, -(-len(sizes) * 95 // 100) - 1)]


def function_sizes(source: str) -> dict[str, int]:
    """Return the lines of every function from ``def`` to its end, without decorators and docstring."""
    sizes: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            text = ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if text else 0
            sizes[f"{node.name}:{node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1 - docstring
    return sizes


def all_functions() -> dict[str, int]:
    """Return every function of the four packages with its size."""
    return {
        f"{file.relative_to(ROOT)}:{name}": size
        for file in FILES
        for name, size in function_sizes(file.read_text(encoding="utf-8")).items()
    }


def test_files() -> None:
    sizes = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    assert median(sizes.values()) <= MEDIAN_FILE
    assert percentile_95(list(sizes.values())) <= LARGE_FILE, largest


def test_functions() -> None:
    sizes = all_functions()
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    assert percentile_95(list(sizes.values())) <= LARGE_FUNCTION, largest
    assert [item for item in largest if item[1] > LARGEST_FUNCTION] == []


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("def f():\n    return 1\n", 2),
        ('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n', 2),
        ("@a\n@b\nasync def f(\n    x,\n):\n    return 1\n", 4),
        ('class A:\n    def f(self):\n        """Only."""\n', 1),
    ],
)
def test_the_measure(source: str, size: int) -> None:
    assert list(function_sizes(source).values()) == [size]


def test_the_percentile() -> None:
    assert percentile_95(list(range(1, 101))) == 95
    assert percentile_95([7]) == 7
