"""Words for ``driftline explain`` and ``driftline validate``: what is seen how soon, and what never."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

from detectors.evidence.dictionary import Kind as Bettor
from detectors.evidence.dictionary import Shape
from monitor.config.types import format_duration
from monitor.evidence.budget import DETECTORS
from monitor.evidence.sight import Sight, sights
from monitor.evidence.stream import Stream
from monitor.evidence.watch import Watch
from monitor.findings import Finding, WindowResult

_DAY: Final = 86_400_000_000
_HOURS: Final = 24
_MOST_NAMED: Final = 5


def explained(watch: Watch, column: str, latest: Iterable[WindowResult], piece: str | None = None) -> Iterator[str]:
    """Yield what there is to say about the monitors of a column; nothing when it has none.

    Of slices those are told that drift, and the names of the others.

    Parameters
    ----------
    watch
        The model's, prepared.
    column
        A column, or one of its rates, such as ``age.missing``.
    latest
        The last evidence windows of the model.
    piece
        A slice, such as ``country=fr``: nothing else is told.
    """
    now = {
        (result.version, result.slice, finding.column, finding.detector): (result, finding)
        for result in latest
        for finding in result.findings
    }
    quiet: dict[str, None] = {}
    for sight in sights(watch, lambda stream: _is_asked(stream, column, piece)):
        stream = sight.stream
        told = now.get((stream.version, stream.slice, stream.name, DETECTORS[sight.severity]))
        if stream.slice and piece is None and (told is None or told[1].status not in {"drift", "warn"}):
            quiet[stream.slice] = None
        else:
            yield from _of(sight, watch, told)
    if quiet:
        yield f"{column} is judged in {len(quiet)} slices more (--slice): {_listed(list(quiet))}"
    for copy in watch.copies.values():
        for stream in copy.unstable:
            seat = copy.roster.seats.get(stream.key)
            if _is_asked(stream, column, piece) and seat is not None:
                why = (
                    "its reference differs too much from itself"
                    if not seat.terms.is_stable
                    else (f"its reference has {seat.terms.days} whole days; pages need 7")
                )
                yield f"{stream.label}, {copy.severity.name}: shown, not judged: {why}"


def _is_asked(stream: Stream, column: str, piece: str | None) -> bool:
    return column in {stream.column, stream.name} and piece in {None, stream.slice}


def blind_below(watch: Watch) -> Iterator[str]:
    """Yield a few sentences on what a model's evidence cannot see."""
    yield f"windows of {format_duration(watch.length)} ({watch.why})"
    for copy in watch.copies.values():
        yield from _summary(copy.severity.name, [one for one in sights(watch) if one.severity == copy.severity.name])
        unstable = [stream.label for stream in copy.unstable]
        if unstable:
            yield f"{copy.severity.name}: shown, not judged: {_listed(unstable)}"


def _summary(severity: str, found: list[Sight]) -> Iterator[str]:
    shapes = sorted((one for one in found if one.dead_zone is not None), key=lambda one: -(one.dead_zone or 0.0))
    if shapes:
        widest, middle = shapes[0], shapes[len(shapes) // 2]
        yield (
            f"{severity}: blind below PSI {middle.dead_zone:.2g} in the median of {len(shapes)} shapes, "
            f"{widest.dead_zone:.2g} in the widest ({widest.stream.label})"
        )
    missing = [one.tolerated for one in found if one.stream.part == "missing" and one.tolerated is not None]
    if missing:
        most = _percent(max(high for _, high in missing))
        yield f"{severity}: missing cells are tolerated up to {most} in the widest of {len(missing)} columns"
    errors = [one for one in found if one.stream.kind == "performance" and one.tolerated is not None]
    for one in errors[:_MOST_NAMED]:
        low, high = one.tolerated or (0.0, 1.0)
        yield f"{severity}: {one.stream.label} from {_percent(low)} to {_percent(high)} is tolerated"
    flagged = [one for one in found if one.stream.kind == "flagged_share" and one.tolerated is not None]
    for one in flagged:
        low, high = one.tolerated or (0.0, 1.0)
        yield f"{severity}: a flagged share from {_percent(low)} to {_percent(high)} is tolerated"


def _of(sight: Sight, watch: Watch, told: tuple[WindowResult, Finding] | None) -> Iterator[str]:
    stream, terms = sight.stream, sight.terms
    rows = int(terms.reference.sum())
    yield f"{stream.label}, {sight.severity}"
    slots = len(terms.reference)
    cycle = f", each hour of the {'week' if slots > _HOURS else 'day'} by itself" if terms.seasonal else ""
    yield f"  windows    {format_duration(watch.length)} ({watch.why}), about {sight.rows:,.0f} rows{cycle}"
    days = (
        f"{terms.days} days, which differ {terms.dispersion:.2g} times as much as chance"
        if terms.days
        else "days unknown, taken to be alike"
    )
    yield f"  reference  {rows:,} rows of {days}"
    if sight.dead_zone is not None:
        yield f"  ignores    PSI below {terms.tolerance:g}"
        still = (
            "" if sight.mean is None else f"; a mean from {sight.mean[0]:+.2g} to {sight.mean[1]:+.2g} sd is not seen"
        )
        yield f"  blind      below PSI {sight.dead_zone:.2g} in any direction{still}"
    elif sight.tolerated is not None:
        low, high = sight.tolerated
        yield f"  ignores    odds that change by a factor of {terms.ratio:.3g}, or {100 * terms.floor:.2g} points"
        yield f"  blind      from {_percent(low)} to {_percent(high)}"
    yield "  finds      " + "; ".join(_delay(shape, windows, watch.length) for shape, windows in sight.delays)
    if sight.smallest is not None:
        least = f"PSI {sight.smallest:.2g}" if math.isfinite(sight.smallest) else "nothing"
        yield f"  in a week  {least} or more is found, if it has a usual shape"
    yield from _now(sight, told)


def _now(sight: Sight, told: tuple[WindowResult, Finding] | None) -> Iterator[str]:
    if told is None:
        yield f"  now        nothing yet; an alarm needs evidence of {sight.log_threshold:.1f}, as a natural logarithm"
        return
    result, finding = told
    share = "" if not math.isfinite(finding.statistic) else f" ({finding.statistic:.1f} of {finding.threshold:.1f})"
    words = f": {finding.explanation}" if finding.explanation else ""
    yield f"  now        {finding.status}{share}, {result.n:,} rows in the last window{words}"
    if math.isfinite(finding.effect):
        yield f"  effect     {finding.effect:.3g}, 95 % interval {finding.low:.3g} to {finding.high:.3g}"


def _delay(shape: Shape, windows: float, length: int) -> str:
    match shape.kind:
        case Bettor.MEAN:
            what = f"mean {shape.size:+g} sd"
        case Bettor.SPREAD:
            what = f"spread ×{shape.size:.2f}"
        case _:
            what = f"odds ×{shape.size:g}"
    if not math.isfinite(windows):
        return f"{what} never"
    return f"{what} in {_span(math.ceil(windows) * length)}"


def _span(micros: int) -> str:
    """Return a duration in the unit that suits it.

    >>> _span(3 * 3_600_000_000), _span(52 * 3_600_000_000), _span(9000 * _DAY)
    ('3h', '2.2d', 'years')
    """
    if micros < 2 * _DAY:
        return format_duration(micros)
    return f"{micros / _DAY:.1f}d" if micros < 1000 * _DAY else "years"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
