"""What a person decides on: a challenger in the champion's place, a retraining."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.grafana.panels import HALF, THIRD, Query, Steps, lines, number

_MODEL = 'model="$model"'
_PAIRING = "{{champion}} {{champion_version}}"
_STARTED = "driftline_retraining_last_request_timestamp_seconds"


def decided(made: Dashboard) -> Dashboard:
    """Append both rows."""
    return _retraining(_challenger(made))


def _challenger(made: Dashboard) -> Dashboard:
    def loss(bound: str) -> str:
        return f'driftline_challenger_loss_difference{{{_MODEL},bound="{bound}"}}'

    return (
        made
        .with_row(Row("Against its champion"))
        .with_panel(lines("Difference of losses",
                          Query(loss(""), f"against {_PAIRING}"),
                          Query(loss("lower"), f"against {_PAIRING}, lower"),
                          Query(loss("upper"), f"against {_PAIRING}, upper"),
                          Query("vector(0)", "threshold"), width=HALF,
                          about="The challenger's less the champion's on the same ids; better below 0. Decided once "
                                "both ends lie on one side: the interval holds however often one looks."))
        .with_panel(lines("Difference of accuracies",
                          Query(f"driftline_challenger_accuracy_difference{{{_MODEL}}}", f"against {_PAIRING}"),
                          unit="percentunit", width=HALF, about="Better above 0."))
        .with_panel(lines("Ids of both",
                          Query(f"driftline_challenger_rows_total{{{_MODEL}}}", f"against {_PAIRING}"),
                          Query(f"driftline_challenger_unmatched_total{{{_MODEL}}}", "only one of them had"), low=0,
                          width=HALF, about="Labelled ids that were compared; the others are left out."))
        .with_panel(lines("P-value of equal losses",
                          Query(f"driftline_challenger_p_value{{{_MODEL}}}", f"against {_PAIRING}"),
                          Query("vector(0.05)", "threshold"), low=0, high=1, width=HALF,
                          about="Holds however often one looks."))
    )  # fmt: skip


def _retraining(made: Dashboard) -> Dashboard:
    def proposals(states: str) -> str:
        return f'sum(driftline_retraining_proposals{{{_MODEL},state=~"{states}"}})'

    return (
        made
        .with_row(Row("Retraining"))
        .with_panel(number("Wait for a person", Query(proposals("awaiting_approval|parked")), steps=Steps(1),
                           width=THIRD, about="Proposals to approve, and requests of which nobody knows whether they "
                                              "were heard."))
        .with_panel(number("Running", Query(proposals("requested|running")), width=THIRD, about="Runs not ended yet."))
        .with_panel(number("Paused", Query(f"max(driftline_retraining_paused{{{_MODEL}}})"), steps=Steps(1),
                           width=THIRD, about="Nothing is requested while it is 1."))
        .with_panel(lines("Proposals", Query(f"sum by (state) (driftline_retraining_proposals{{{_MODEL}}})",
                                             "{{state}}"), low=0, width=HALF, about="Those that are not over."))
        .with_panel(lines("Decisions",
                          Query(f"sum by (outcome) (driftline_retraining_decisions_total{{{_MODEL}}})", "{{outcome}}"),
                          low=0, width=HALF, about="What went through all limits, and what held the others back."))
        .with_panel(number("Last request", Query(f"max({_STARTED}{{{_MODEL}}}) * 1000"), unit="dateTimeFromNow",
                           width=THIRD, about="Dry runs do not count."))
    )  # fmt: skip
