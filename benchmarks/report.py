"""Sections of ``RESULTS.md``, each rewritten when it is measured and kept when it is not."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
_HEAD: Final = """# Results

Figures of `make bench`. Each section says when it was measured, on what, and the command that measures it again.
"""
_SECTION: Final = re.compile(r"^## \((?P<letter>\w)\) .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """What one benchmark has to say, in Markdown."""

    letter: str
    title: str
    body: str

    def text(self, before: str) -> str:
        """Return the section with its heading and the circumstances, as they were before it was measured.

        >>> print(Section("a", "Counting", "Fast.").text(circumstances()).splitlines()[0])
        ## (a) Counting
        """
        return (
            f"## ({self.letter}) {self.title}\n\n"
            f"`make bench`, or this section alone: `python -m benchmarks.run {self.letter}`. {before}\n\n"
            f"{self.body.strip()}\n"
        )


def merge(old: str, sections: Iterable[Section], before: str) -> str:
    """Return a results file in which these sections are new, and all others as they were.

    >>> first = merge("", [Section("b", "Second", "x")], "Today.")
    >>> [line for line in merge(first, [Section("a", "First", "y")], "Today.").splitlines() if line.startswith("## ")]
    ['## (a) First', '## (b) Second']
    """
    kept = {found["letter"]: found[0] for found in _SECTION.finditer(old)}
    kept |= {section.letter: section.text(before) for section in sections}
    return "\n".join([_HEAD, *(kept[letter].rstrip() + "\n" for letter in sorted(kept))])


def write(section: Section, before: str, path: Path = RESULTS) -> None:
    """Put a section into the results file, with the circumstances before it was measured."""
    path.write_text(merge(path.read_text() if path.exists() else "", [section], before))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left and the rest to the right.

    >>> print(table(["who", "rows/s"], [["us", "10"]]))
    | who | rows/s |
    |---|---:|
    | us | 10 |
    """
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    marks = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([marks[0], marks[1].replace(" ", ""), *marks[2:]])


def circumstances() -> str:
    """Return when and on what is measured, in one sentence; ask before it is, the load is that of now."""
    load = os.getloadavg()[0]
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores of {_processor()}, "
        f"Python {platform.python_version()}, numpy {version('numpy')}; load before the run {load:.1f}."
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
