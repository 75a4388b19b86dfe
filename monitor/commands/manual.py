"""Reference pages written from the code: ``python -m monitor.commands.manual cli|alerts|detectors|sizing > PAGE``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from alerts.builtin import INHIBITIONS, RULES
from alerts.rules import Rule
from detectors.cards import CARDS as WINDOW_CARDS
from detectors.concept.cards import CARDS as CONCEPT_CARDS
from detectors.embeddings.cards import CARDS as VECTOR_CARDS
from detectors.registry import STATISTICS
from monitor.cli import app
from monitor.commands.manual_sizing import sizing
from monitor.config.resolve import DETECTORS, VECTORS
from monitor.config.types import format_duration

PROMETHEUS: Final = Path(__file__).parents[2] / "deploy/prometheus/rules/driftline.yaml"
_WIDTH: Final = "110"
_WRITTEN: Final = "Written by `python -m monitor.commands.manual {}` from the code; do not edit."


_STATUSES: Final = (
    "Exit statuses: 0 done, 1 failed, 2 wrong usage, 3 something was found (`--fail-on`, `dashboards diff`),",
    "65 refused, 69 nobody answers, 74 the state cannot be read or written, 76 too old, 77 not allowed,",
    "78 the configuration is wrong.",
)


def cli() -> str:
    """Return the page of all commands and their options."""
    lines = ["# Commands", "", _WRITTEN.format("cli"), "", *_STATUSES]
    for words in _commands(get_command(app), ()):
        said = CliRunner().invoke(
            app, [*words, "--help"], prog_name="driftline", env={"COLUMNS": _WIDTH, "TERMINAL_WIDTH": _WIDTH}
        )
        title = " ".join(("driftline", *words))
        lines += ["", f"## `{title}`", "", "```text", said.output.strip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        yield words
        return
    if not words:
        yield ()
    for name, below in sorted(command.commands.items()):
        yield from _commands(below, (*words, name))


def alerts() -> str:
    """Return the page of built-in alerts and of those for Prometheus."""
    lines = [
        "# Alerts", "", _WRITTEN.format("alerts"), "",
        "Two sets with the same names: Driftline's own, and rules for a Prometheus with an Alertmanager. Use one of",
        "them. Every name leads to its runbook.", "", "## Built in", "",
        *_table(("alert", "severity", "fires when it held", "clears when well", "says", "next step"),
                (_built_in(rule) for rule in RULES)),
        "", "What silences what:", "",
        *_table(("while this fires", "this is silent", "of the same"), (
            (_matchers(one.source), _matchers(one.target), ", ".join(f"`{name}`" for name in one.equal) or "service")
            for one in INHIBITIONS)),
        "", "## For Prometheus", "", "`deploy/prometheus/rules/driftline.yaml`, tested with `promtool test rules`.", "",
        *_table(("alert", "severity", "for", "says"), map(_of_prometheus, _prometheus_rules())),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _built_in(rule: Rule) -> tuple[str, ...]:
    texts = rule.annotations
    return (
        _runbook(rule.name), rule.severity, _held(rule.fire.times, rule.fire.of, rule.fire.during),
        _held(rule.clear.times, rule.clear.of, rule.clear.during), _cell(texts.get("summary", "")),
        _cell(texts.get("next_step", "")),
    )  # fmt: skip


def _held(times: int, of: int, during: int) -> str:
    told = [] if of == 1 else [f"{times} of {of} windows"]
    if during:
        told.append(format_duration(during))
    return ", ".join(told) or "at once"


def _prometheus_rules() -> Iterator[dict[str, Any]]:
    groups = YAML(typ="safe").load(PROMETHEUS.read_text(encoding="utf-8"))["groups"]
    yield from (rule for group in groups for rule in group["rules"] if "alert" in rule)


def _of_prometheus(rule: dict[str, Any]) -> tuple[str, ...]:
    texts = rule["annotations"]
    told = f"{texts['summary']}. {texts['description']}"
    return _runbook(rule["alert"]), rule["labels"]["severity"], rule.get("for", "at once"), _cell(told)


def _runbook(name: str) -> str:
    return f"[{name}](../runbooks/{name}.md)"


def _matchers(matchers: Iterable[object]) -> str:
    return ", ".join(f"`{str(one).replace('|', chr(92) + '|')}`" for one in matchers)


def detectors() -> str:
    """Return a card for every statistic and detector."""
    lines = ["# Detectors", "", _WRITTEN.format("detectors"), "", *_ABOUT, "", "## Statistics of a window", ""]
    lines += _table(
        ("kind", "sees", "misses", "columns", "cost", "by default", "paper"),
        (
            (f"`{kind}`", entry.sees, WINDOW_CARDS[kind].misses,
             "numeric" if entry.ordered else "a share" if entry.fixed_bins else "all",
             f"{WINDOW_CARDS[kind].micros} µs", _default(kind), WINDOW_CARDS[kind].paper)
            for kind, entry in STATISTICS.items()
        ),
    )  # fmt: skip
    lines += ["", *_ON_VECTORS, ""]
    lines += _table(
        ("kind", "sees", "misses", "columns", "cost", "by default", "paper"),
        (
            (f"`{kind}`", card.sees, card.misses, "vectors", f"{card.micros} µs, and {card.micros_a_row:g} µs a row",
             _default(kind), card.paper)
            for kind, card in VECTOR_CARDS.items()
        ),
    )  # fmt: skip
    lines += ["", *_ON_CONCEPT, ""]
    lines += _table(
        ("kind", "sees", "misses, and beware", "false alarms in 100,000 rows", "rows to find .2 → .3", "→ .5", "paper"),
        (
            (f"`{kind}`", card.sees, card.beware,
             f"{card.measured.false_alarms_at_02:g} at .02, {card.measured.false_alarms_at_20:g} at .2",
             _delay(card.measured.delay_to_30, card.measured.missed_to_30),
             _delay(card.measured.delay_to_50, card.measured.missed_to_50), _PAPERS[kind])
            for kind, card in CONCEPT_CARDS.items()
        ),
    )  # fmt: skip
    return "\n".join(lines) + "\n"


_EVIDENCE: Final = {
    "sees": "any lasting change of a column's distribution, of quality rates and of the flagged share beyond the "
    "tolerance, sudden or slow; each row counts once",
    "misses": "changes smaller than `ignore_below`, and what `driftline explain MODEL.COLUMN` says it is blind to; "
    "late rows enter no evidence",
    "cost": "a step a column and evidence window, part of `driftline_evaluation_duration_seconds`",
    "by default": "on; `alarms` sets the budgets, `evidence.window` the length",
    "paper": "Shin, Ramdas and Rinaldo (arXiv 2203.03532); Dandapanthula and Ramdas (arXiv 2501.04130)",
}
_ABOUT: Final = (
    "What decides whether anybody is called is evidence, which has a budget of false alarms for the whole service: see",
    "[tuning false alarms](../how-to/tune-false-alarms.md). The statistics here are effect sizes with noise bands,",
    "drawn beside it, and rules of your own may use them. A window with too few rows is `insufficient`, never 0.", "",
    "| evidence | |", "|---|---|", *(f"| {what} | {told} |" for what, told in _EVIDENCE.items()),
)  # fmt: skip
_ON_VECTORS: Final = (
    "## Statistics of a vector", "",
    "A vector's cluster, residual, error and main axes are columns like others, for evidence and the statistics above:",
    "see [embeddings](../how-to/embeddings.md). What follows compares vectors whole, under the vector's own name.",
)  # fmt: skip
_ON_CONCEPT: Final = (
    "## Detectors of concept drift", "",
    "They read errors or losses one by one as labels come, after River. None runs unless `detectors` names it. None of",
    "them promises a rate of false alarms over time; the figures are measured on independent errors with the defaults",
    "(`python -m benchmarks.concept`). A share in brackets is how often a change was not found within 6,000 rows.",
)  # fmt: skip
_PAPERS: Final = {
    "adwin": "Bifet and Gavaldà (2007)",
    "page_hinkley": "Page (1954)",
    "ddm": "Gama, Medas, Castillo and Rodrigues (2004)",
    "eddm": "Baena-García and others (2006)",
    "hddm_a": "Frías-Blanco and others (2015)",
    "hddm_w": "Frías-Blanco and others (2015)",
    "kswin": "Raab, Heusinger and Schleif (2020)",
    "fhddm": "Pesaranghader and Viktor (2016)",
}


def _default(kind: str) -> str:
    told = [
        f"{', '.join(one.on)}{f' in {one.window}' if one.window else ''}: warn {one.warn:g}, drift {one.alert:g}"
        for one in (*DETECTORS, VECTORS)
        if one.kind == kind and one.warn is not None and one.alert is not None
    ]
    return "; ".join(told) or "off"


def _delay(rows: float, missed: float) -> str:
    return f"{rows:,.0f}" + (f" ({missed:.0%} not)" if missed else "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES: Final[dict[str, Callable[[], str]]] = {
    "reference/alerts": alerts,
    "reference/cli": cli,
    "reference/detectors": detectors,
    "sizing": sizing,
}
"""Page, below ``docs`` → what writes it."""


if __name__ == "__main__":
    sys.stdout.write(next(write for page, write in PAGES.items() if page.rpartition("/")[2] == sys.argv[1])())
