"""Kubernetes: a Job made of a CronJob's template, as ``kubectl create job --from=cronjob/…`` makes one.

The Job's name is the key, so that a second request finds the first (409). The CronJob may be suspended for good.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from alerts.net.errors import DeliveryError
from alerts.net.http import Reply
from alerts.notification import Deadline
from alerts.receivers.credentials import Credentials
from alerts.receivers.payload import to_json
from alerts.retraining.targets.parts import Connector
from alerts.retraining.targets.port import Answer, NotStarted, Order, Refused, Started, answer_of
from alerts.retraining.targets.status import failure

_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where it is, not what
AUTHORITY: Final = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
SERVER: Final = "https://kubernetes.default.svc"


class KubernetesTarget:
    """Creates a Job: ``POST /apis/batch/v1/namespaces/{namespace}/jobs``.

    Its containers get ``DRIFTLINE_ID``, ``DRIFTLINE_MODEL``, ``DRIFTLINE_VERSION``, ``DRIFTLINE_CALLBACK`` and
    ``DRIFTLINE_ORDER``, the whole order as JSON. The service account needs ``get`` on the CronJob and ``create`` on
    Jobs, and ``get`` on Jobs for a request that is repeated.
    """

    idempotent = True

    def __init__(self, connector: Connector, namespace: str, cronjob: str, credentials: Credentials) -> None:
        self._connector = connector
        self._namespace = namespace
        self._cronjob = cronjob
        self._credentials = credentials

    def body(self, order: Order) -> bytes:
        """Return the order; the Job is made of it and of the CronJob as it is when it is sent."""
        return to_json(order.document())

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        """Create the Job, unless it is there."""

        def attempt() -> Answer:
            headers = _JSON | self._credentials.headers()
            base = f"apis/batch/v1/namespaces/{quote(self._namespace, safe='')}"
            template = self._template(base, headers, deadline)
            if not isinstance(template, dict):
                return template
            job = job_of(template, key, json.loads(body))
            reply = self._connector.request("POST", f"{base}/jobs", to_json(job), headers, deadline)
            if 200 <= reply.status < 300:
                return Started(key)
            if reply.status == 409:
                return self._there(base, key, headers, deadline)
            return failure(reply)

        return answer_of(attempt)

    def _template(self, base: str, headers: dict[str, str], deadline: Deadline) -> dict[str, Any] | Answer:
        """Return the CronJob. To read it starts nothing, whatever becomes of that."""
        path = f"{base}/cronjobs/{quote(self._cronjob, safe='')}"
        try:
            reply = self._connector.request("GET", path, b"", headers, deadline)
        except DeliveryError as error:
            return Refused(error.reason) if error.lasting else NotStarted(error.reason)
        document = _object(reply) if reply.status == 200 else None
        if document is not None and isinstance(document.get("spec", {}).get("jobTemplate"), dict):
            return document
        reason = f"{reply.origin} answered {reply.status} when it was asked for the CronJob {self._cronjob}"
        return Refused(reason) if reply.status in {401, 403, 404} else NotStarted(reason)

    def _there(self, base: str, key: str, headers: dict[str, str], deadline: Deadline) -> Answer:
        found = self._connector.request("GET", f"{base}/jobs/{key}", b"", headers, deadline)
        if found.status == 200:
            return Started(key)
        if found.status == 404:
            return NotStarted(f"{found.origin} answered 409, but has no Job of this name")
        # To be told that the name is taken is to know that it is there: no other names are like it.
        return Started(key) if found.status in {401, 403} else failure(found)


def job_of(cronjob: dict[str, Any], key: str, order: dict[str, Any]) -> dict[str, Any]:
    """Return the Job of a CronJob's template for an order."""
    template = json.loads(json.dumps(cronjob["spec"]["jobTemplate"]))
    own = template.get("metadata") or {}
    annotations = {**(own.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    labels = {**(own.get("labels") or {}), "driftline.io/retraining": str(order["id"])}
    spec = template["spec"]
    values = {
        "DRIFTLINE_ID": order["id"],
        "DRIFTLINE_MODEL": order["model"],
        "DRIFTLINE_VERSION": order["version"],
        "DRIFTLINE_CALLBACK": order["callback"],
        "DRIFTLINE_ORDER": json.dumps(order, ensure_ascii=False, separators=(",", ":")),
    }
    for container in spec.get("template", {}).get("spec", {}).get("containers", []):
        kept = [each for each in container.get("env") or [] if each.get("name") not in values]
        container["env"] = [*kept, *({"name": name, "value": value} for name, value in values.items())]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": key, "labels": labels, "annotations": annotations},
        "spec": {**spec, "suspend": False},
    }


def _object(reply: Reply) -> dict[str, Any] | None:
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
