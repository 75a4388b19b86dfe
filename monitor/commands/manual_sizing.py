"""``docs/sizing.md``, from what the benchmarks measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).parents[2] / "benchmarks/RESULTS.md"
_STREAM: Final = ("kafka-python, ours", "librdkafka, ours")
_WIDTHS: Final = (
    "20 features", "200 features", "1,000 features", "20 features, and one with 10⁶ values",
    "20 features, 1,000 slices",
)  # fmt: skip
_GROWTH: Final = "resident after"
_DISK: Final = "state and history after"
_PAGE: Final = """\
# Sizing

Written by `python -m monitor.commands.manual sizing` from [benchmarks/RESULTS.md](../benchmarks/RESULTS.md), which says
on what machine it was measured and how. Measured, not promised: measure yours with `make bench`.

**Processor.** Reading and decoding is most of it. Records of 555 bytes with 20 features through a real broker:

{stream}

So 10,000 records a second need about {cores:.1f} of a core with `kafka-python`. One process uses one core and a little;
with more traffic take `kafka.client: librdkafka`, [sample](how-to/sampling.md), or run one service for each group of
models.

**Memory and processor by columns**, from the source's port on, without the broker:

{widths}

Neither grows with time: after 10 M records the process held {growth} times what it held after 2 M.

**Disk.** {disk} of state and history for 30 days of 200 features × 20 slices. Where there are labels, predictions wait
on disk for `join.wait`, and take 134 MB of memory where five million wait
([why](decisions/0026-joined-rows-are-written-once.md)), and up to 128 MiB more for those that were last touched
([why](decisions/0124-the-latest-joined-rows-stay-in-memory.md)). Use a local disk: every second is one small write.

**Prometheus.** By default three series a column and window (ratio, drift, PSI), one more for each word in
`metrics.export`, times versions. `limits.max_series` is 20,000; those in drift are left out last.

| service | start with |
|---|---|
| one model, 100 records/s, 20 columns | 0.25 core, 512 MiB, 5 GB |
| ten models, 1,000 records/s, 50 columns each | 1 core, 1 GiB, 20 GB |
| 10,000 records/s, 20 columns | 1 core, 1 GiB, 50 GB |

The last table is reckoned from those above, with room to spare; it was not measured.
"""


def sizing() -> str:
    """Return the page.

    Raises
    ------
    LookupError
        When the results lack a row that the page shows.
    """
    tables = list(_tables(RESULTS.read_text(encoding="utf-8")))
    stream = _rows(tables, _STREAM)
    return _PAGE.format(
        stream=_table(stream), widths=_table(_rows(tables, _WIDTHS)),
        cores=10_000 / float(stream[1][2].replace(",", "")), growth=_starting(tables, _GROWTH),
        disk=_starting(tables, _DISK),
    )  # fmt: skip


def _tables(text: str) -> Iterator[list[list[str]]]:
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        yield [lines[0], *lines[2:]]


def _rows(tables: Iterable[list[list[str]]], labels: tuple[str, ...]) -> list[list[str]]:
    """Return head and rows of the table that has all these labels."""
    for head, *rows in tables:
        found = {row[0]: row for row in rows}
        if found.keys() >= set(labels):
            return [head, *(found[label] for label in labels)]
    raise LookupError(f"{RESULTS.name}: there is no table with {', '.join(labels)}")


def _starting(tables: Iterable[list[list[str]]], label: str) -> str:
    for _, *rows in tables:
        for row in rows:
            if row[0].startswith(label):
                return row[1]
    raise LookupError(f"{RESULTS.name}: there is no row {label!r}")


def _table(rows: list[list[str]]) -> str:
    head, *rest = rows
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rest)])
