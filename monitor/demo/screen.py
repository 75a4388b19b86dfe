"""What the demo shows: a live table while it runs, injected against found when it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from monitor.config.types import format_duration
from monitor.demo.ledger import Found, Ledger, Naive
from monitor.events import DAY, MINUTE
from monitor.findings import Finding, WindowResult

_STYLES = {"drift": "bold red", "warn": "yellow", "ok": "green", "insufficient": "dim"}
_MOST_SLICES: Final = 6


def live(ledger: Ledger, latest: WindowResult | None, begin: int, rate: float, records: int) -> RenderableType:
    """Return one frame: how far the stream is, the columns of the latest daily window, the last drifts."""
    head = Text("reading …")
    if latest is not None:
        day = (latest.end - begin) / DAY
        head = Text.assemble(
            ("day ", "dim"), f"{day:4.1f}", ("   window ", "dim"), f"{clock(latest.start)} to {clock(latest.end)}",
            ("   rows ", "dim"), f"{latest.n:,}", ("   records ", "dim"), f"{records:,}",
            ("   per second ", "dim"), f"{rate:,.0f}",
        )  # fmt: skip
    table = Table(expand=False, box=None, pad_edge=False)
    for name, side in (
        ("column", "left"),
        ("statistic", "left"),
        ("value", "right"),
        ("threshold", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=side)  # type: ignore[arg-type]  # the two words are among those allowed
    for finding in worst(latest):
        style = _STYLES[finding.status]
        table.add_row(
            finding.column, finding.detector, f"{finding.statistic:.4f}", f"{finding.threshold:.4f}",
            Text(bar(finding), style=style),
        )  # fmt: skip
    drifts = Text("no drift so far", style="dim")
    if ledger.recent:
        drifts = Text("\n").join(
            [Text(sentence(result, finding), style="red") for result, finding in ledger.recent[-4:]]
        )
    return Group(head, Text(), table, Text(), drifts)


def worst(result: WindowResult | None) -> list[Finding]:
    """Return each column's finding that is nearest to its threshold."""
    best: dict[str, Finding] = {}
    for finding in () if result is None else result.findings:
        if finding.column not in best or ratio(finding) > ratio(best[finding.column]):
            best[finding.column] = finding
    return sorted(best.values(), key=lambda finding: finding.column)


def ratio(finding: Finding) -> float:
    """Return statistic over threshold, 0 where either is missing."""
    value = finding.statistic / finding.threshold if finding.threshold else 0.0
    return value if value == value else 0.0  # noqa: PLR0124 - NaN is not itself


def bar(finding: Finding) -> str:
    """Return a bar of the statistic against its threshold, full at twice."""
    cells = min(20, round(ratio(finding) * 10))
    return "█" * cells + "·" * (20 - cells) + f" {finding.status}"


def sentence(result: WindowResult, finding: Finding) -> str:
    """Return a drift in one line."""
    return (
        f"{clock(result.end)}  {finding.column}: {finding.detector} {finding.statistic:.3f} > {finding.threshold:.3f}"
        f"  {finding.explanation}  ({result.window} window, {result.n:,} rows)"
    )


def closing(ledger: Ledger) -> RenderableType:
    """Return the closing table."""
    table = Table(title="Injected and found", title_justify="left")
    for name in ("change", "column", "began", "evidence", "after", "first threshold crossed", "after"):
        table.add_column(name)
    for injection in ledger.injections:
        table.add_row(
            injection.name,
            injection.column,
            clock(injection.start),
            *_by_evidence(ledger.alarms.found.get(injection.name)),
            *_by_threshold(ledger.found.get(injection.name)),
        )
    lines = [
        f"Evidence: {_false(ledger, ledger.alarms.false)}; {ledger.alarms.windows:,} windows.",
        f"Thresholds with p-values: {_false(ledger, ledger.false_alarms)}; {ledger.windows:,} windows.",
        *(thumb(rule) for rule in (ledger.psi, ledger.ks)),
    ]
    slices = [_slice(found) for found in ledger.alarms.slices[:_MOST_SLICES]] or ["none"]
    return Group(
        table,
        Panel("\n".join(slices), title="Slices that nobody declared, found by themselves", title_align="left"),
        Panel("\n".join(lines), title="The same quiet days, by rule of thumb", title_align="left"),
    )


def _slice(found: Found) -> str:
    words = found.finding.explanation.partition(", since ")[0]
    return f"{found.result.slice}: {words}; {_after(found)} after “{found.injection.name}”"


def _by_evidence(found: Found | None) -> tuple[RenderableType, str]:
    if found is None:
        return Text("not found", style="bold red"), ""
    words = found.finding.explanation.partition(", since ")[0]
    return f"{found.finding.column} {words}", _after(found)


def _by_threshold(found: Found | None) -> tuple[RenderableType, str]:
    if found is None:
        return Text("none", style="bold red"), ""
    piece = f", {found.result.slice}" if found.result.slice else ""
    return f"{found.finding.detector}, {found.result.window} window{piece}", _after(found)


def _after(found: Found) -> str:
    return format_duration(found.delay // MINUTE * MINUTE)


def _false(ledger: Ledger, alarms: list[tuple[WindowResult, Finding]]) -> str:
    quiet = sum(result.end <= ledger.quiet_until for result, _ in alarms)
    return f"{quiet} false alarms in the quiet days, {len(alarms) - quiet} after"


def thumb(rule: Naive) -> str:
    """Return what a rule of thumb did in the quiet days."""
    share = rule.cried / rule.windows if rule.windows else 0.0
    windows = f"{rule.cried:,} of {rule.windows:,} windows ({share:.0%})"
    return f"{rule.name}: {rule.alarms:,} alarms, in {windows}, all of them false."


def clock(micros: int) -> str:
    """Return an event time to the minute."""
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%d %b %H:%M")
