"""What a run over a person's own file shows: what was understood, a live table, what drifted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.config.types import format_duration
from monitor.demo.ledger import Ledger, Naive
from monitor.demo.own.mapping import Choice
from monitor.demo.own.play import Play
from monitor.demo.own.spool import Spool, bad_times
from monitor.demo.own.tally import Sighting, Tally
from monitor.demo.own.timeline import Timeline
from monitor.demo.screen import bar, ratio, worst
from monitor.findings import Finding, WindowResult
from monitor.reference.picture import printable
from monitor.reference.rows import listed

_STYLES = {"drift": "bold red", "warn": "yellow", "ok": "green", "insufficient": "dim"}
_COLUMNS = 12
_SIGHTINGS = 20
_NAME = 26
_PROMISE = "chance alone may alarm once a week"


def understood(choice: Choice, spool: Spool, timeline: Timeline) -> RenderableType:
    """Return what was made of the file: one line a role, then what was left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _understood(choice, spool, timeline):
        table.add_row(name, Text(printable(text)))
    return table


def _understood(choice: Choice, spool: Spool, timeline: Timeline) -> Iterator[tuple[str, str]]:
    yield "time", _time(choice, spool, timeline)
    yield "id", choice.id or "the number of the row"
    if choice.version:
        yield "version", choice.version
    for role, column in choice.roles.items():
        yield role, f"{column}, not judged yet" if role == "label" else column
    for title, numeric in (("numbers", True), ("categories", False)):
        names = [feature.name for feature in choice.features if (feature.kind != "category") == numeric]
        if names:
            yield title, f"{len(names)}: {listed(names)}"
    if choice.left_out:
        reasons: dict[str, list[str]] = {}
        for column, reason in choice.left_out.items():
            reasons.setdefault(reason, []).append(column or "(no name)")
        yield "left out", "; ".join(f"{listed(names, 6)} ({reason})" for reason, names in reasons.items())
    split, times = timeline.split, timeline.times
    yield "reference", f"{split:,} rows, {timeline.when(int(times[0]))} to {timeline.when(int(times[split - 1]))}"
    last = timeline.when(int(times[-1]))
    yield "watched", f"{len(timeline.live):,} rows, {timeline.when(timeline.begin)} to {last}"
    yield "windows", _windows(timeline)


def _time(choice: Choice, spool: Spool, timeline: Timeline) -> str:
    if timeline.even:
        return "given to the rows, evenly"
    way = choice.form.name if choice.form is not None else ""
    if way == "month/day/year" and spool.reading == 1:
        way = "day/month/year"
    moved = f"; {timeline.unordered:,} rows stood out of order" if timeline.unordered else ""
    return f"{choice.time}, read as {way}, UTC where no zone is given{moved}"


def _windows(timeline: Timeline) -> str:
    windows = timeline.windows
    second = "" if windows.long is None else f", and of {_length(timeline, windows.long)}"
    rows = "" if timeline.even else f" with about {windows.rows:,} rows"
    small = f"under {windows.min_samples} rows a window says insufficient"
    return f"of {_length(timeline, windows.size)}{rows}{second}; {small}"


def warnings(choice: Choice, spool: Spool, timeline: Timeline) -> list[str]:
    """Return what the person should know before they believe the figures."""
    found = list(choice.notes)
    if timeline.even and not timeline.notes:
        found.append(
            "no column of times: the rows are taken in the order of the file, evenly spaced. "
            "If there is such a column, name it with --time"
        )
    found += timeline.notes
    if spool.ambiguous:
        found.append(
            "dates fit month/day and day/month alike; read as "
            f"{'day/month' if spool.reading else 'month/day'}. Say --day-first or --month-first"
        )
    left = {**spool.rejected, **bad_times(spool)}
    if not timeline.even and timeline.far:
        left["time_far_from_all_others"] = timeline.far
    if timeline.even:
        left = dict(spool.rejected)
    for reason, count in sorted(left.items()):
        line = f", the first in line {spool.first_lines[reason]:,}" if reason in spool.first_lines else ""
        found.append(f"{counted(count, 'row')} left out: {reason.replace('_', ' ')}{line}")
    return found


def live(play: Play, tally: Tally) -> RenderableType:
    """Return one frame: how far the stream is, the columns nearest to their thresholds, what drifted last."""
    timeline, latest = play.rows.timeline, play.latest
    head = Text("reading …")
    if latest is not None:
        head = Text.assemble(
            ("rows ", "dim"), f"{play.records:,} of {len(timeline.live):,}",
            ("   window ", "dim"), f"{_window(timeline, latest)}, {latest.n:,} rows",
            ("   a second ", "dim"), f"{play.rate:,.0f}",
        )  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for name in ("column", "statistic"):
        table.add_column(name, max_width=_NAME, no_wrap=True)
    for name in ("value", "threshold"):
        table.add_column(name, justify="right")
    table.add_column("", no_wrap=True)
    for finding in sorted(worst(latest), key=ratio, reverse=True)[:_COLUMNS]:
        style = _STYLES[finding.status]
        table.add_row(
            Text(printable(finding.column)), finding.detector, f"{finding.statistic:.4f}", f"{finding.threshold:.4f}",
            Text(bar(finding), style=style),
        )  # fmt: skip
    drifts = Text("no drift so far", style="dim")
    if tally.recent:
        lines = [Text(sentence(timeline, *pair), style="red", no_wrap=True) for pair in tally.recent[-4:]]
        drifts = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
    return Group(head, Text(), table, Text(), drifts)


def sentence(timeline: Timeline, result: WindowResult, finding: Finding) -> str:
    """Return a drift in one line."""
    return (
        f"{timeline.when(result.end)}  {printable(finding.column)}: {finding.detector} {finding.statistic:.3f} > "
        f"{finding.threshold:.3f}  {finding.explanation}"
    )


def summary(tally: Tally, timeline: Timeline, columns: int, *, title: str, wide: bool) -> RenderableType:
    """Return what drifted, the strongest first, and how often rules of thumb would have cried."""
    parts: list[RenderableType] = [Text(title, style="bold")]
    ordered = sorted(tally.sightings.values(), key=lambda one: -ratio(one.worst[1]))
    for name, chosen in (
        ("distribution", [one for one in ordered if not one.rate]),
        ("quality", [one for one in ordered if one.rate]),
    ):
        if chosen:
            parts += [_sightings(name, chosen, tally, timeline, wide=wide), Text()]
    if tally.alarmed:
        parts += [_alarmed(tally, timeline), Text()]
    if not tally.sightings and not tally.alarmed:
        parts.append(Text("nothing: no column drifted", style="green"))
    moved = len(tally.columns)
    share = f"{moved} of {counted(columns, 'column')} drifted, in {tally.drifted:,} of {tally.judged:,} windows."
    small = f" {counted(tally.small, 'window')} had too few rows." if tally.small else ""
    parts += [Text(f"Driftline: {share}{small}"), *(Text(thumb(rule)) for rule in (tally.psi, tally.ks))]
    alarms = counted(len(tally.alarmed), "monitor") if tally.alarmed else "no monitor"
    parts.insert(-2, Text(f"Evidence: {alarms} alarmed, in {counted(tally.stepped, 'window')}; {_PROMISE}."))
    return Group(*parts)


def _alarmed(tally: Tally, timeline: Timeline) -> RenderableType:
    """Return the first alarms of evidence, the earliest first."""
    table = Table(box=None, pad_edge=False)
    for heading in ("evidence", "alarmed by the end of", "what"):
        table.add_column(heading, max_width=40 if heading == "evidence" else None)
    first = sorted(tally.alarmed.values(), key=lambda one: one[0].end)
    for result, finding in first[:_SIGHTINGS]:
        table.add_row(Text(printable(finding.column)), _window(timeline, result), Text(printable(finding.explanation)))
    hidden = len(first) - _SIGHTINGS
    return Group(table, Text(f"and {hidden} more", style="dim")) if hidden > 0 else table


def _sightings(
    name: str, sightings: Sequence[Sighting], tally: Tally, timeline: Timeline, *, wide: bool
) -> RenderableType:
    versions = len({sighting.version for sighting in tally.sightings.values()}) > 1
    table = Table(box=None, pad_edge=False)
    table.add_column(name, max_width=40 if wide else 20, no_wrap=True)
    for heading in ("first window", "by"):
        table.add_column(heading, no_wrap=True)
    for heading in ("value > threshold", "windows"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what")
    if wide:
        table.add_column("at worst", no_wrap=True)
    for one in sightings[:_SIGHTINGS]:
        result, finding = one.first
        column = f"{one.column} ({one.version})" if versions and one.version else one.column
        cells: list[Text | str] = [
            Text(printable(column)), _window(timeline, result), finding.detector,
            f"{finding.statistic:.3f} > {finding.threshold:.3f}",
            f"{len(one.windows):,} of {tally.judged_in(one):,}", Text(_what(finding)),
        ]  # fmt: skip
        if wide:
            peak = one.worst[1]
            cells.append(f"{peak.detector} {peak.statistic:.3f}, {timeline.when(one.worst[0].start)}")
        table.add_row(*cells)
    hidden = len(sightings) - _SIGHTINGS
    return Group(table, Text(f"and {hidden} more", style="dim")) if hidden > 0 else table


def _window(timeline: Timeline, result: WindowResult) -> str:
    return f"{timeline.when(result.start)} + {_length(timeline, result.end - result.start)}"


def _length(timeline: Timeline, size: int) -> str:
    return timeline.lasts(size) if timeline.even else format_duration(size)


def _what(finding: Finding) -> str:
    return finding.explanation.removeprefix("towards ").removesuffix(" values")


def injected(ledger: Ledger, timeline: Timeline) -> RenderableType:
    """Return the changes that were made, and how each was found."""
    table = Table(title="Changes made to a copy of your rows", title_justify="left", box=None, pad_edge=False)
    for name in ("change", "column", "from", "found by", "after", "by evidence after"):
        table.add_column(name, max_width=20 if name == "column" else None)
    for change in ledger.injections:
        found, alarmed = ledger.found.get(change.name), ledger.alarms.found.get(change.name)
        later = Text("not found", style="yellow") if alarmed is None else Text(timeline.lasts(alarmed.delay))
        made = Text(f"{change.name}: {change.description}")
        column = Text(printable(change.column))
        if found is None:
            table.add_row(made, column, timeline.when(change.start), Text("not found", style="bold red"), "", later)
        else:
            table.add_row(
                made, column, timeline.when(change.start), found.finding.detector, timeline.lasts(found.delay), later
            )
    return table


def elsewhere(ledger: Ledger, drifted: Collection[str]) -> str:
    """Return what was found in the copy in columns that were left alone and had not drifted before."""
    found = [finding for _, finding in ledger.false_alarms if finding.column not in drifted]
    if not found:
        return "In the columns that were left alone nothing was found."
    names = sorted({printable(finding.column) for finding in found})
    return f"In columns that were left alone: {counted(len(found), 'finding')}, in {listed(names)}."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def thumb(rule: Naive) -> str:
    """Return how often a rule of thumb cried."""
    share = rule.cried / rule.windows if rule.windows else 0.0
    return f"{rule.name}: {counted(rule.alarms, 'alarm')}, in {rule.cried:,} of {rule.windows:,} windows ({share:.0%})."
