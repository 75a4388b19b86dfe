"""Argo Workflows: a workflow of a template whose name is the key, so that a second request finds the first (409)."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from alerts.notification import Deadline
from alerts.receivers.credentials import Credentials
from alerts.receivers.payload import to_json
from alerts.retraining.targets.parts import Connector
from alerts.retraining.targets.port import Answer, Order, Refused, Started, answer_of
from alerts.retraining.targets.status import failure

Kind: TypeAlias = Literal["WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"]
KINDS: Final[tuple[Kind, ...]] = ("WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
PARAMETERS: Final = ("id", "model", "version", "because", "callback", "evidence")
"""Parameters that a template may declare; ``evidence`` is a JSON text."""


class ArgoTarget:
    """Submits a workflow: ``POST /api/v1/workflows/{namespace}/submit``.

    Parameters
    ----------
    parameters
        Those of ``PARAMETERS`` that the template declares; Argo refuses others.
    """

    idempotent = True

    def __init__(
        self,
        connector: Connector,
        namespace: str,
        template: str,
        credentials: Credentials,
        kind: Kind = "WorkflowTemplate",
        parameters: tuple[str, ...] = PARAMETERS,
    ) -> None:
        self._connector = connector
        self._namespace = namespace
        self._template = template
        self._credentials = credentials
        self._kind = kind
        self._parameters = parameters

    def body(self, order: Order) -> bytes:
        """Return the request to submit a workflow."""
        document = order.document()
        evidence = json.dumps(order.evidence, ensure_ascii=False, separators=(",", ":"))
        values: dict[str, Any] = document | {"evidence": evidence}
        request = {
            "resourceKind": self._kind,
            "resourceName": self._template,
            "submitOptions": {
                "name": order.key,
                "labels": f"app.kubernetes.io/created-by=driftline,driftline.io/retraining={order.id}",
                "parameters": [f"{name}={values[name]}" for name in self._parameters],
            },
        }
        return to_json(request)

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        """Submit the workflow, unless it is there."""

        def attempt() -> Answer:
            headers = _JSON | self._credentials.headers()
            path = f"api/v1/workflows/{quote(self._namespace, safe='')}"
            url = self._connector.shown(f"workflows/{quote(self._namespace, safe='')}/{key}")
            reply = self._connector.request("POST", f"{path}/submit", body, headers, deadline)
            if 200 <= reply.status < 300:
                return Started(key, url)
            if reply.status == 409:
                found = self._connector.request("GET", f"{path}/{key}", b"", headers, deadline)
                if found.status == 200:
                    return Started(key, url)
                if found.status == 404:
                    return Refused(f"{found.origin} answered 409, but has no workflow of this name")
                return failure(found)
            return failure(reply)

        return answer_of(attempt)
