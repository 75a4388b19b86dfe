"""Incidents as annotations: each once, however often this runs, its end added when it has one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dashboards.grafana.committed import TAG
from dashboards.grafana.connection import Connection
from dashboards.grafana.incidents import Incident

_ID: Final = "driftline-id:"
_MOST: Final = 10_000
"""Annotations that one look may find; beyond it what is old would be written twice."""
_FAR: Final = 1 << 45
"""Milliseconds; beyond any incident's end."""


def annotate(to: Connection, incidents: Iterable[Incident]) -> dict[str, int]:
    """Write what is missing and correct what has changed.

    Nothing is kept here: every annotation carries the incident's identity as a tag, so Grafana itself knows which there
    are already. A correction sends all tags again, because Grafana would take their absence for their removal.

    Returns
    -------
    dict
        How many were ``added``, ``updated`` and ``unchanged``.
    """
    wanted = {one.id: one for one in incidents}
    done = {"added": 0, "updated": 0, "unchanged": 0}
    if not wanted:
        return done
    known = _known(to, min(one.start for one in wanted.values()) // 1000)
    for identity, incident in wanted.items():
        body = _body(incident)
        before = known.get(identity)
        if before is None:
            with to.said("add an annotation"):
                to.api.annotations.add_annotation(**body)
            done["added"] += 1
        elif _same(before, body):
            done["unchanged"] += 1
        else:
            with to.said("correct an annotation"):
                to.api.annotations.partial_update_annotation(before["id"], **body)
            done["updated"] += 1
    return done


def _known(to: Connection, since: int) -> dict[str, dict[str, Any]]:
    """Return identity → annotation of what we wrote since then. Only a plain tag is asked for: none is encoded."""
    with to.said("read annotations"):
        found = to.api.annotations.find_annotations(
            time_from=since, time_to=_FAR, tags=[TAG], ann_type="annotation", limit=_MOST
        )
    return {
        tag.removeprefix(_ID): annotation
        for annotation in found
        for tag in annotation.get("tags") or ()
        if tag.startswith(_ID)
    }


def _body(incident: Incident) -> dict[str, Any]:
    start = incident.start // 1000
    return {
        "time_from": start,
        "time_to": start if incident.end is None else incident.end // 1000,
        "tags": [TAG, incident.kind, f"model:{incident.model}", f"{_ID}{incident.id}"],
        "text": incident.text,
    }


def _same(before: dict[str, Any], body: dict[str, Any]) -> bool:
    return (
        before.get("time") == body["time_from"]
        and (before.get("timeEnd") or before.get("time")) == body["time_to"]
        and before.get("text") == body["text"]
        and set(before.get("tags") or ()) == set(body["tags"])
    )
