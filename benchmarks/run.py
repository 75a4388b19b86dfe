"""``python -m benchmarks.run [SECTION ...]``: measure, print, and write ``benchmarks/RESULTS.md``; all by default."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import alarms, alerting, counting, end_to_end, footprint, found, halves, join, labelled, page, slices
from benchmarks.detection import measure, report
from benchmarks.report import RESULTS, Section, circumstances, write


def detection() -> Section:
    """Measure detection quality at full size, an hour of one core, and write its tables."""
    before = circumstances()
    measure.run(measure.FULL, measure.RESULTS)
    report.publish(before)
    return report.section()


SECTIONS: Final[dict[str, Callable[[], Section]]] = {
    "a": counting.run,
    "b": end_to_end.run,
    "c": footprint.run,
    "d": alarms.run,
    "h": halves.run,
    "j": join.section,
    "l": labelled.run,
    "p": page.run,
    "s": slices.run,
    "w": found.run,
    "e": alerting.run,
    "q": detection,
}


def main(arguments: Sequence[str]) -> int:
    """Measure the sections that are named, or all."""
    unknown = sorted(set(arguments) - set(SECTIONS))
    if unknown:
        print(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    for letter in arguments or SECTIONS:
        before = circumstances()
        section = SECTIONS[letter]()
        write(section, before)
        print(section.text(before))
    print(f"written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
