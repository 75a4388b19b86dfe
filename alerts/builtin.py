"""The rules that are there from the start, and what silences what among them."""

from __future__ import annotations

from typing import Final

from alerts import annotations as names
from alerts.conditions import Always, Compare, Condition, Silent, StatusIs
from alerts.durations import DAY, HOUR, MINUTE
from alerts.matchers import parse_matchers
from alerts.policy import Inhibition
from alerts.rules import Persistence, Rule

_FOUND: Final = StatusIs()
_SURE: Final = "[{n:,} rows][, 95 % within {low:.3g} to {high:.3g}][, p = {p_value:.2g}][, log-evidence {evidence:.3g}]"
_DETAIL: Final = "{explanation}[ Statistic {statistic:.3g}, threshold {threshold:.3g}.]"
_EVIDENCE: Final = "{explanation}[ Log-evidence {evidence:.3g}, threshold {threshold:.3g}.]"
_RIVAL: Final = "{explanation}[ The interval, {low:.3g} to {high:.3g}, holds however often one looks.]"
_ACCEPT: Final = "Accept the change, or find its cause; the chance of a false alarm is within the budget."
_SILENT: Final = "Nothing came for {statistic:.0f} s, longer than usual at this hour of the week."
_THRICE: Final = Persistence(3, 3)
_TWO_OF_THREE: Final = Persistence(2, 3)


def _rule(
    name: str,
    kinds: str,
    condition: Condition,
    severity: str,
    summary: str,
    description: str,
    next_step: str,
    matchers: str = "",
    moved: str = "",
    effect: str = "",
    fire: Persistence = Persistence(),  # noqa: B008 - it cannot change
    clear: Persistence = Persistence(),  # noqa: B008
    **others: object,
) -> Rule:
    texts = {
        names.SUMMARY: summary,
        names.DESCRIPTION: description,
        names.NEXT_STEP: next_step,
        names.MOVED: moved,
        names.FROM: "{reference:.3g}" if moved else "",
        names.TO: "{statistic:.3g}" if moved else "",
        names.SURE: _SURE,
        names.SINCE: "{onset}",
        names.EFFECT: effect,
    }
    return Rule(
        name=name,
        kinds=frozenset(kinds.split()),
        condition=condition,
        severity=severity,
        matchers=parse_matchers(matchers),
        fire=fire,
        clear=clear,
        annotations={key: text for key, text in texts.items() if text},
        **others,  # type: ignore[arg-type]
    )


DRIFT: Final = (
    _rule(
        "FeatureDrift", "drift", _FOUND, "warn",
        "{column} of {model} has drifted", _DETAIL,
        "Look at the column's distribution and ask who fills it.",
        'slice=""', fire=_TWO_OF_THREE, clear=_THRICE,
        moved="{detector} of {column}", effect="Drift of one column alone need not harm; see performance.",
    ),
    _rule(
        "ScoreDrift", "score", _FOUND, "warn",
        "The scores of {model} have shifted", _DETAIL,
        "Compare the share of flagged predictions before and after.",
        'slice=""', fire=_TWO_OF_THREE, clear=_THRICE,
        moved="{detector} of the score", effect="More or fewer decisions than before.",
    ),
    _rule(
        "SliceDrift", "drift score", _FOUND, "warn",
        "{column} of {model} has drifted in {slice}", _DETAIL,
        "See whether other slices moved too; one alone points to its source.",
        'slice!=""', fire=_TWO_OF_THREE, clear=_THRICE,
        moved="{detector} of {column} in {slice}",
    ),
    _rule(
        "ConceptDrift", "concept", _FOUND, "warn",
        "The errors of {model} follow another pattern", _DETAIL,
        "Look at performance by slice; if it holds, retrain.",
        clear=_THRICE,
    ),
    _rule(
        "EvidenceAlarm", "evidence", _FOUND, "warn",
        "{column} of {model} has drifted, by evidence[ in {slice}]", _EVIDENCE, _ACCEPT,
        'detector!="evidence_page"', clear=_THRICE, withdraws=False, forget_after=None,
    ),
    _rule(
        "EvidenceAlarm", "evidence", _FOUND, "page",
        "{column} of {model} has drifted far, by evidence[ in {slice}]", _EVIDENCE, _ACCEPT,
        'detector="evidence_page"', clear=_THRICE, withdraws=False, forget_after=None,
    ),
)  # fmt: skip
"""What moved."""

HARM: Final = (
    _rule(
        "PerformanceDrop", "performance", _FOUND, "page",
        "{column} of {model} has dropped", _DETAIL,
        "Check for drift since the same time; consider the previous version.",
        moved="{column}", effect="It is measured, not estimated: effect {effect:.3g}.",
    ),
    _rule(
        "EstimatedDrop", "estimate", _FOUND, "warn",
        "{column} of {model} is likely to have dropped, as estimated before labels", _DETAIL,
        "See what drifted since then; labels will say whether it is true.",
        'detector="estimate_change"', fire=_TWO_OF_THREE, clear=_THRICE,
        moved="{column}", effect="It is estimated from scores, not measured: effect {effect:.3g}.",
    ),
    _rule(
        "CalibrationOff", "calibration", _FOUND, "page",
        "The probabilities of {model} no longer mean what they say", _DETAIL,
        "Recalibrate, or move the decision threshold, once labels are known to be complete.",
        moved="{detector}", effect="Decisions at a fixed probability are off.",
    ),
    _rule(
        "QualityProblem", "quality", _FOUND, "page",
        "{column} of {model} is broken[: {explanation}]", _DETAIL,
        "Ask the owner of the feed. Do not retrain on these rows.",
    ),
)  # fmt: skip
"""What hurts."""

RIVALS: Final = (
    _rule(
        "ChallengerBetter", "challenger", Compare("high", "<", 0.0), "info",
        "{model} is surely better than its champion", _RIVAL,
        "Promote it, unless slices, cost or latency speak against it.",
    ),
    _rule(
        "ChallengerWorse", "challenger", Compare("low", ">", 0.0), "warn",
        "{model} is surely worse than its champion", _RIVAL,
        "Stop showing its predictions to anybody; look at its slices before it is trained again.",
    ),
)  # fmt: skip
"""Who is better. By the confidence sequence alone, so one may look every hour: 1 comparison in 20 is ever wrong."""

FLOW: Final = (
    _rule(
        "VolumeOff", "volume", _FOUND, "warn",
        "{model} gets far more or fewer predictions than usual", _DETAIL,
        "Ask who calls the model, and whether its topic is complete.",
        fire=_TWO_OF_THREE, clear=_THRICE,
    ),
    _rule(
        "PredictionsStopped", "last_prediction", Silent(), "page",
        "No predictions from {model}", _SILENT,
        "See whether the model serves, and whether its topic is written.",
        fire=Persistence(during=MINUTE),
    ),
    _rule(
        "LabelsStopped", "last_label", Silent(floor=6 * HOUR, unknown=7 * DAY), "warn",
        "No labels for {model}", _SILENT,
        "Ask who writes the labels. Performance is not known meanwhile.",
    ),
    _rule(
        "RecordsRejected", "rejected", Compare("statistic", ">", 0.01, clear=0.005), "page",
        "{statistic:.1%} of the records[ of {model}] cannot be read", "{explanation} {n:,} records were looked at.",
        "Look at the rejected records; a producer has likely changed its format.",
        fire=Persistence(during=5 * MINUTE), clear=Persistence(during=10 * MINUTE), min_n=100,
    ),
    _rule(
        "LateRows", "late", Compare("statistic", ">", 0.05, clear=0.02), "warn",
        "{statistic:.1%} of the rows of {model} come late",
        "{explanation} Late rows restate windows and enter no evidence.",
        "Allow more lateness, or see what delays the producer.",
        fire=Persistence(during=10 * MINUTE), clear=Persistence(during=10 * MINUTE), min_n=100,
    ),
    _rule(
        "LabelCoverageLow", "coverage", Compare("statistic", "<", 0.8, clear=0.9, against="reference"), "warn",
        "Only {statistic:.1%} of the mature predictions of {model} have a label",
        "{reference:.1%} are usual. Figures on labels may be biased. {n:,} predictions were looked at.",
        "Ask who writes the labels, and whether identifiers still match.",
        clear=_THRICE, min_n=100,
    ),
)  # fmt: skip
"""What comes in."""

PIPELINE: Final = (
    _rule(
        "ConsumerLagHigh", "lag", Compare("statistic", ">", 300.0, clear=60.0), "warn",
        "Reading is {statistic:.0f} s behind", "{explanation} {labels}",
        "See whether the service lacks CPU, or the topic was replayed.",
        fire=Persistence(during=5 * MINUTE), clear=Persistence(during=5 * MINUTE), forget_after=DAY,
    ),
    _rule(
        "MissingShard", "shard", Compare("statistic", ">", 60.0, clear=30.0), "page",
        "A shard has not been heard of for {statistic:.0f} s: {labels}", "{explanation} Evidence is held meanwhile.",
        "Restart it. Its state is on its volume.",
        fire=Persistence(during=MINUTE), forget_after=None,
    ),
    _rule(
        "DeliveryFailing", "delivery", _FOUND, "page",
        "Alerts do not get through: {labels}", "{explanation}",
        "Correct the receiver and enable it again.",
        fire=Persistence(), forget_after=HOUR, damping=None,
    ),
    _rule(
        "Watchdog", "heartbeat", Always(), "info",
        "Driftline works", "This fires always. When it stops coming, nothing else comes either.",
        "Route it to a dead man's switch.",
        forget_after=5 * MINUTE, damping=None,
    ),
)  # fmt: skip
"""The service itself."""

RULES: Final = (*DRIFT, *HARM, *RIVALS, *FLOW, *PIPELINE)
"""All built-in rules."""

_CONSEQUENCES: Final = (
    "VolumeOff|FeatureDrift|ScoreDrift|SliceDrift|ConceptDrift|EvidenceAlarm|"
    "PerformanceDrop|CalibrationOff|EstimatedDrop"
)


def _inhibition(source: str, target: str, *equal: str) -> Inhibition:
    return Inhibition(parse_matchers(f"alertname={source}"), parse_matchers(f'alertname=~"{target}"'), equal)


INHIBITIONS: Final = (
    Inhibition(
        parse_matchers("alertname=EvidenceAlarm, severity=page"),
        parse_matchers("alertname=EvidenceAlarm, severity=warn"),
        ("model", "version", "slice", "column"),
    ),
    _inhibition("PredictionsStopped", f"{_CONSEQUENCES}|LabelsStopped|LabelCoverageLow|LateRows", "model"),
    _inhibition("MissingShard", f"{_CONSEQUENCES}|PredictionsStopped|LabelsStopped|LabelCoverageLow"),
    _inhibition("ConsumerLagHigh", "PredictionsStopped|LabelsStopped|LabelCoverageLow"),
    _inhibition("RecordsRejected", f"{_CONSEQUENCES}|LabelCoverageLow", "model"),
    _inhibition("QualityProblem", "FeatureDrift|EvidenceAlarm", "model", "column"),
    _inhibition("QualityProblem", "ScoreDrift|SliceDrift|ConceptDrift", "model"),
    _inhibition("LabelsStopped", "LabelCoverageLow", "model"),
    _inhibition("PerformanceDrop", "EstimatedDrop", "model", "version", "column"),
)
"""What silences what: a fault of the pipeline its consequences, a broken column the drifts that follow from it."""
