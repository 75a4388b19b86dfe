"""Any other HTTP API: a request whose body, address and headers name parts of the order.

A text may hold ``{id}``, ``{key}``, ``{model}``, ``{owner}``, ``{version}``, ``{trigger}``, ``{because}``,
``{callback}``, ``{created_at}``, ``{evidence}`` and ``{order}``; ``{{`` is a brace. A text that is ``{evidence}`` or
``{order}`` alone becomes the JSON object, within a text they are JSON.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from alerts.net.guard import Guard
from alerts.net.http import Endpoint, Headers
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.notification import Deadline
from alerts.receivers.payload import to_json
from alerts.retraining.targets.port import Answer, Order, Started, answer_of
from alerts.retraining.targets.status import failure

Sign: TypeAlias = Callable[[str, str, Headers, bytes], Headers]
"""From method, address, headers and body to further headers."""
NAMES: Final = (
    "id", "key", "model", "owner", "version", "trigger", "because", "callback", "created_at", "evidence", "order",
)  # fmt: skip
METHODS: Final = ("POST", "PUT")
_FIELD: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_OBJECTS: Final = ("evidence", "order")
_DEEPEST: Final = 16


class HttpTemplateError(ValueError):
    """A template names what does not exist."""


def check(template: Any, depth: int = 0) -> None:
    """Refuse a template that could not be filled in.

    Raises
    ------
    HttpTemplateError
        When it names something unknown, or is no JSON.

    Examples
    --------
    >>> check({"job": "{key}", "with": ["{modle}"]})
    Traceback (most recent call last):
    alerts.retraining.targets.http.HttpTemplateError: there is no {modle}; there are: id, key, model, owner, version, \
trigger, because, callback, created_at, evidence, order
    """
    if depth > _DEEPEST:
        raise HttpTemplateError("it is nested too deep")
    if isinstance(template, str):
        for match in _FIELD.finditer(template):
            if match[0] not in {"{{", "}}"} and match[1] not in NAMES:
                raise HttpTemplateError(f"there is no {match[0]}; there are: {', '.join(NAMES)}")
    elif isinstance(template, Mapping):
        for name, value in template.items():
            check(name, depth + 1)
            check(value, depth + 1)
    elif isinstance(template, list | tuple):
        for value in template:
            check(value, depth + 1)
    elif template is not None and not isinstance(template, bool | int | float):
        raise HttpTemplateError(f"{type(template).__name__} is nothing that JSON can hold")


def fill(template: Any, values: Mapping[str, Any], encode: Callable[[str], str] = str) -> Any:
    """Return a checked template with its values."""
    if isinstance(template, str):
        alone = template[1:-1]
        if template == f"{{{alone}}}" and alone in _OBJECTS:
            return values[alone]
        return _FIELD.sub(lambda match: _value(match, values, encode), template)
    if isinstance(template, Mapping):
        return {fill(name, values, encode): fill(value, values, encode) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values, encode) for value in template]
    return template


class HttpTarget:
    """Sends one templated request.

    Parameters
    ----------
    url
        The address, with names of the order in its path or query.
    template
        What becomes the JSON body.
    idempotent
        Whether the API starts nothing for a key that it knows. Otherwise a lost answer parks the proposal.
    known
        Statuses, such as 409, by which the API says that it knows the key.
    run
        Where in the answer the run's name stands, as ``run.id``; empty for nowhere.
    """

    def __init__(
        self,
        url: Secret,
        guard: Guard,
        tls: Tls,
        template: Any,
        headers: Mapping[str, str],
        sign: Sign,
        *,
        method: str = "POST",
        idempotent: bool = False,
        known: frozenset[int] = frozenset(),
        run: str = "",
    ) -> None:
        self.idempotent = idempotent
        self._url = url
        self._guard = guard
        self._tls = tls
        self._template = template
        self._headers = dict(headers)
        self._sign = sign
        self._method = method
        self._known = known if idempotent else frozenset[int]()
        self._run = run

    def check(self) -> None:
        """Check the address as far as that can be done without a connection.

        Raises
        ------
        DeliveryError
            When it is none, or refused by its look.
        """
        url = str(fill(self._url.reveal(), dict.fromkeys(NAMES, "x")))
        Endpoint(Secret(url), self._guard, self._tls).target()

    def body(self, order: Order) -> bytes:
        """Return the body, and what fills in address and headers, as they were when the request was made.

        What is stored holds neither address nor secret, both of which are read at each attempt.
        """
        values = order.document() | {"key": order.key, "created_at": order.created_at, "order": order.document()}
        filled = to_json(fill(self._template, values))
        short = {name: value for name, value in values.items() if isinstance(value, str)}
        envelope = {"body": base64.b64encode(filled).decode(), "values": short}
        return to_json(envelope)

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:  # noqa: ARG002 - it stands in the body
        """Send the stored request."""

        def attempt() -> Answer:
            envelope = json.loads(body)
            content, values = base64.b64decode(envelope["body"]), envelope["values"]
            url = str(fill(self._url.reveal(), values, lambda text: quote(text, safe="")))
            headers = {"content-type": "application/json", "accept": "application/json"}
            headers |= {name.lower(): str(fill(text, values, _one_line)) for name, text in self._headers.items()}
            headers |= self._sign(self._method, url, headers, content)
            endpoint = Endpoint(Secret(url), self._guard, self._tls)
            reply = endpoint.request(self._method, content, headers, deadline, read=bool(self._run))
            if 200 <= reply.status < 300 or reply.status in self._known:
                return Started(_found(reply.body, self._run))
            return failure(reply)

        return answer_of(attempt)


def _value(match: re.Match[str], values: Mapping[str, Any], encode: Callable[[str], str]) -> str:
    if match[0] in {"{{", "}}"}:
        return match[0][0]
    value = values[match[1]]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return encode(text)


def _one_line(text: str) -> str:
    return quote(text, safe=" !#$%&'()*+,-./:;<=>?@[]^_`{|}~")


def _found(body: bytes, path: str) -> str:
    """Return what stands at a path of an answer, empty when nothing does."""
    if not path:
        return ""
    try:
        found: Any = json.loads(body)
        for part in path.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    return str(found)[:256] if isinstance(found, str | int) else ""
