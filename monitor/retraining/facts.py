"""What retraining wants to know of a model, out of the View."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from alerts.retraining.facts import Facts
from monitor.views import ModelView, PerformanceView, View, WindowView

_NONE = -1


def facts_of(view: View | None, terms: Mapping[str, str]) -> dict[str, Facts]:
    """Return model → what is known of it now; nothing before the first view.

    Parameters
    ----------
    terms
        Model → identity of its settings.
    """
    if view is None:
        return {}
    shadowed = {} if view.alerts is None else view.alerts.shadowed
    return {
        model.name: _facts(model, terms[model.name], shadow=model.name in shadowed)
        for model in view.models
        if model.name in terms
    }


def _facts(model: ModelView, terms: str, *, shadow: bool) -> Facts:
    rows = latest_rows(model.windows)
    return Facts(
        version=live_version(rows),
        rows=rows,
        matured_labels=_matured(model),
        coverage=latest_coverage(model.performance),
        references=dict(model.references),
        shadow=shadow,
        at=model.last_prediction,
        terms=terms,
    )


def live_version(rows: Mapping[str, int]) -> str:
    """Return the version that more than half of the rows carry; empty when there is none.

    >>> live_version({"7": 10, "8": 90}), live_version({"7": 50, "8": 50}), live_version({})
    ('8', '', '')
    """
    every = sum(rows.values())
    return next((version for version, number in rows.items() if 2 * number > every), "")


def latest_rows(windows: Iterable[WindowView]) -> dict[str, int]:
    """Return version → rows in the latest windows of the kind that closes last; versions that have none are absent.

    Windows of one name and end are counted together, so that a version that stopped does not count with its last.
    """
    whole = [view.result for view in windows if not view.result.slice]
    end = max((result.end for result in whole), default=_NONE)
    latest = [result for result in whole if result.end == end]
    name = min((result.window for result in latest), default="")
    rows: Counter[str] = Counter()
    for result in latest:
        if result.window == name and result.n:
            rows[result.version] += result.n
    return dict(rows)


def latest_coverage(views: Iterable[PerformanceView]) -> float:
    """Return which share of the mature predictions of the latest judged windows has a label, NaN when none matured."""
    whole = [view for view in views if not view.result.slice and view.matured + view.unlabelled]
    end = max((view.result.end for view in whole), default=_NONE)
    latest = [view for view in whole if view.result.end == end]
    matured, unlabelled = sum(view.matured for view in latest), sum(view.unlabelled for view in latest)
    return matured / (matured + unlabelled) if matured + unlabelled else math.nan


def _matured(model: ModelView) -> int | None:
    if model.join is not None:
        rows = model.join.rows
        return rows.get(("maturity", "labelled"), 0) + rows.get(("maturity", "absent"), 0)
    judged = [view for view in model.performance if not view.result.slice]
    return sum(view.labelled for view in judged) if judged else None
