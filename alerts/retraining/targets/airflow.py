"""Apache Airflow: a run of a DAG whose id is the key, so that a second request finds the first (409).

Airflow 3: ``POST /api/v2/dags/{dag_id}/dagRuns``, where ``logical_date`` must be there. Airflow 2: ``/api/v1``.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from alerts.net.errors import DeliveryError
from alerts.net.http import Reply
from alerts.net.secret import Secret
from alerts.notification import Deadline
from alerts.receivers.credentials import Credentials
from alerts.receivers.payload import to_json
from alerts.retraining.targets.parts import Connector
from alerts.retraining.targets.port import Answer, NotStarted, Order, Refused, Started, answer_of
from alerts.retraining.targets.status import failure

ApiVersion: TypeAlias = Literal["3", "2"]
API_VERSIONS: Final[tuple[ApiVersion, ...]] = ("3", "2")
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_NOTE: Final = 900


class AirflowTarget:
    """Starts a run of one DAG.

    Parameters
    ----------
    connector
        Of Airflow's base address.
    credentials
        A bearer token, or user and password. With Airflow 3 these are exchanged for a token at each attempt; with
        Airflow 2 they are sent as they are.
    """

    idempotent = True

    def __init__(self, connector: Connector, dag: str, credentials: Credentials, version: ApiVersion = "3") -> None:
        self._connector = connector
        self._dag = dag
        self._credentials = credentials
        self._version = version

    def body(self, order: Order) -> bytes:
        """Return the request to start a run."""
        request: dict[str, Any] = {
            "dag_run_id": order.key,
            "conf": order.document(),
            "note": f"driftline: {order.because}"[:_NOTE],
        }
        return to_json(request if self._version == "2" else {"logical_date": None, **request})

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        """Start the run, unless it is there."""

        def attempt() -> Answer:
            headers, refused = self._headers(deadline)
            if refused is not None:
                return refused
            base = "api/v2" if self._version == "3" else "api/v1"
            path = f"{base}/dags/{quote(self._dag, safe='')}/dagRuns"
            reply = self._connector.request("POST", path, body, headers, deadline)
            url = self._connector.shown(f"dags/{quote(self._dag, safe='')}/runs/{key}")
            if 200 <= reply.status < 300:
                return Started(key, url)
            if reply.status == 409:
                # Only a run of this id is ours: 409 has other reasons too.
                found = self._connector.request("GET", f"{path}/{key}", b"", headers, deadline)
                return Started(key, url) if found.status == 200 else _conflict(found)
            return failure(reply)

        return answer_of(attempt)

    def _headers(self, deadline: Deadline) -> tuple[dict[str, str], Answer | None]:
        if self._version == "2" or self._credentials.password is None:
            return _JSON | self._credentials.headers(), None
        login = {"username": self._credentials.username, "password": self._credentials.password.reveal()}
        try:
            reply = self._connector.request("POST", "auth/token", to_json(login), _JSON, deadline)
        except DeliveryError as error:
            # No run is requested by asking for a token.
            return {}, NotStarted(error.reason)
        token = _token(reply)
        if token is None:
            refused = 400 <= reply.status < 500 and reply.status not in {408, 425, 429}
            reason = f"{reply.origin} answered {reply.status} when it was asked for a token"
            return {}, Refused(reason) if refused else NotStarted(reason)
        return _JSON | Credentials(token=Secret(token)).headers(), None


def _conflict(found: Reply) -> Answer:
    if found.status == 404:
        return Refused(f"{found.origin} answered 409, but has no run of this name")
    return failure(found)


def _token(reply: Reply) -> str | None:
    try:
        token = json.loads(reply.body)["access_token"] if 200 <= reply.status < 300 else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return token if isinstance(token, str) and token else None
