"""A reference, or the difference between two, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detectors.bins import CategoricalBins
from monitor.reference.compare import STATISTICS, ColumnChange, Comparison
from monitor.reference.dispersion import shape_dispersion
from monitor.reference.document import FLAGGED, Reference
from monitor.reference.expected import describe_volume
from monitor.reference.fitting import decision_text
from monitor.reference.parts import ReferenceColumn, kinds_beyond
from monitor.reference.picture import WIDTH, bars, histogram, printable
from monitor.reference.rows import listed
from monitor.reference.summary import QUANTILES
from monitor.reference.wire import moment_text

_UNSTABLE: Final = 5.0
"""Days that differ by more than this factor beyond chance deserve a second look."""
_SHOWN: Final = 3
"""Categories named in a row of the table."""


def print_reference(reference: Reference, console: Console, *, size: int | None = None) -> None:
    """Print who, when and how many, then one line a column.

    Parameters
    ----------
    reference
        What to print.
    console
        Where to.
    size
        Bytes of the file, if it should be told.
    """
    for line in _head(reference, size):
        console.print(line, markup=False, highlight=False)
    console.print(columns_table(reference))
    for name, flag in reference.flag_columns.items():
        no, yes, unknown = flag.counts.tolist()
        told = "" if name != FLAGGED or reference.decision is None else f" ({decision_text(reference.decision)})"
        share = f"{yes / (yes + no):.3%}, {yes:,} of {yes + no:,}" if yes + no else "no row"
        rest = f"; unknown for {unknown:,}" if unknown else ""
        console.print(f"{name}{told}: {share}{rest}", markup=False, highlight=False)
    for note in reference.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def columns_table(reference: Reference) -> Table:
    """Return one line a column: its shape, figures or categories, what is not in order, how much days differ."""
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "shape", "values", "not in order", "days"):
        table.add_column(heading, justify="right" if heading == "days" else "left", overflow="fold")
    for name, column in reference.columns.items():
        spread = shape_dispersion(column)
        days = Text("" if spread is None else f"×{spread:.2g}", style="yellow" if (spread or 0) > _UNSTABLE else "")
        table.add_row(Text(printable(name)), shape_of(column), values_of(column), quality_of(reference, name), days)
    table.caption = "days: how much they differ, 1 being chance alone" if reference.days else None
    return table


def shape_of(column: ReferenceColumn) -> Text:
    """Return a histogram of a number, or one bar a category, rare ones last."""
    if isinstance(column.bins, CategoricalBins):
        return Text(bars(column.counts[: column.bins.size][:WIDTH].astype(np.float64)))
    return Text(histogram(column.bins, column.counts))


def values_of(column: ReferenceColumn) -> Text:
    """Return the figures of a number, or the commonest categories."""
    total = int(column.counts[: column.bins.size].sum())
    if not total:
        return Text("no values", style="yellow")
    if isinstance(column.bins, CategoricalBins):
        shares = column.counts[: column.bins.size] / total
        names = [f"{printable(name)} {share:.1%}" for name, share in zip(column.bins.categories, shares, strict=False)]
        more = len(names) - _SHOWN
        shown = ", ".join([*names[:_SHOWN], *([f"{more} more"] if more > 0 else [])])
        rare = f"rare {shares[-1]:.1%}" if shares[-1] else ""
        return Text(", ".join(filter(None, (shown, rare))))
    found = column.summary
    if found is None or len(found.quantiles) != len(QUANTILES):
        return Text(f"{column.bins.size} bins")
    low, middle, high = found.quantiles[0], found.quantiles[len(QUANTILES) // 2], found.quantiles[-1]
    return Text(f"{low:.4g} … {middle:.4g} … {high:.4g}; {column.bins.size} bins")


def quality_of(reference: Reference, name: str) -> Text:
    """Return the shares of cells that are missing, bad, unseen or out of range, those that occur."""
    found = []
    for kind in kinds_beyond(reference.columns[name].bins):
        counts = reference.pooled_rate(name, kind)
        if counts[1]:
            found.append(f"{kind} {_percent(counts[1] / counts.sum())}")
    return Text(", ".join(found))


def print_comparison(first: Reference, second: Reference, found: Comparison, console: Console) -> None:
    """Print what differs, then one line a column; figures beyond chance are marked.

    Parameters
    ----------
    first, second
        What was compared.
    found
        What ``compare`` said.
    console
        Where to.
    """
    for sign, reference in (("-", first), ("+", second)):
        console.print(f"{sign} {_title(reference)}", markup=False, highlight=False)
    if first.model != second.model:
        console.print("these are references of different models", style="yellow")
    named = (("new columns", found.new), ("vanished columns", found.vanished), ("changed their type", found.retyped))
    for text, names in named:
        if names:
            console.print(f"{text}: {listed([printable(name) for name in names])}", markup=False, style="yellow")
    console.print(_changes_table(found.changes))
    edges = [change.column for change in found.changes if not change.same_edges]
    if edges:
        console.print(
            f"edges differ: {listed([printable(name) for name in edges])}; there the figures are approximate. "
            "Build with --edges-from to keep edges.",
            markup=False,
            highlight=False,
        )
    console.print("something moved" if found.moved else "nothing moved beyond chance")


def _changes_table(changes: tuple[ColumnChange, ...]) -> Table:
    table = Table(box=None, pad_edge=False, caption="each figure beside what chance alone reaches once in 100")
    table.add_column("column", overflow="fold")
    for kind in STATISTICS:
        table.add_column(kind, justify="right")
    table.add_column("not in order", overflow="fold")
    table.add_column("categories", overflow="fold")
    for change in changes:
        table.add_row(Text(printable(change.column)), *_figures(change), _quality(change), _categories(change))
    return table


def _figures(change: ColumnChange) -> Iterator[Text]:
    for kind in STATISTICS:
        figure = change.figures.get(kind)
        mark = "" if change.same_edges else "≈"
        if figure is None:
            yield Text("")
        else:
            text = f"{mark}{figure.value:.4f} / {figure.band:.4f}{' *' if figure.beyond else '  '}"
            yield Text(text, style="bold red" if figure.beyond else "")


def _quality(change: ColumnChange) -> Text:
    told = Text()
    for found in change.quality:
        mark = " *" if found.gap.beyond else ""
        text = f"{', ' if told else ''}{found.kind} {_percent(found.before)} → {_percent(found.after)}{mark}"
        told.append(text, style="bold red" if found.gap.beyond else "")
    return told


def _categories(change: ColumnChange) -> Text:
    came = [f"+{printable(name)}" for name in change.new_categories]
    went = [f"-{printable(name)}" for name in change.gone_categories]
    return Text(listed(came + went) if came or went else "", style="yellow")


def _head(reference: Reference, size: int | None) -> Iterator[str]:
    yield _title(reference)
    built = f"built {moment_text(reference.created)} " if reference.created is not None else ""
    told = "" if size is None else f", {size / 1000:,.0f} kB"
    yield f"{built}from {printable(reference.source)}; checksum {reference.checksum[:12]}{told}"
    if reference.versions:
        names = [f"{printable(name) or '(none)'} ({tally.rows:,})" for name, tally in reference.versions.items()]
        yield f"versions: {listed(names)}"
    if reference.first is not None and reference.last is not None:
        days = f"{len(reference.days)} {'day' if len(reference.days) == 1 else 'days'}"
        yield f"from {moment_text(reference.first)} to {moment_text(reference.last)}, {days}"
    if reference.volume is not None:
        hours = np.maximum(reference.volume.hours.reshape(7, 24).sum(axis=0), 1)
        yield f"rows by hour of the day (UTC): {bars(reference.volume.rows.reshape(7, 24).sum(axis=0) / hours)}"
    yield describe_volume(reference)


def _percent(share: float) -> str:
    """Return a share to a hundredth of a percent; one that is smaller yet not zero says so."""
    return "<0.01%" if 0 < share < 0.00005 else f"{share:.2%}"


def _title(reference: Reference) -> str:
    return f"{reference.model}: {reference.rows:,} rows, {len(reference.columns)} columns"
