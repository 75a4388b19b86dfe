"""Requests to Amazon's APIs are signed by Signature Version 4 (AWS General Reference, "Signing AWS API requests")."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from alerts.net.http import Headers
from alerts.net.secret import Secret

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class AwsSigner:
    """Signs requests; the keys are read again each time.

    Parameters
    ----------
    session
        Token of temporary keys.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        region: str,
        service: str,
        access_key: Secret,
        secret_key: Secret,
        session: Secret | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._region = region
        self._service = service
        self._access_key = access_key
        self._secret_key = secret_key
        self._session = session
        self._clock = clock

    def __call__(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """Return ``Authorization`` and the headers that belong to it; what names AWS or the content is signed too."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        own = {"X-Amz-Date": moment}
        if self._session is not None:
            own["X-Amz-Security-Token"] = self._session.reveal()
        parts = urlsplit(url)
        sent = {name.lower(): value for name, value in (*headers.items(), *own.items())}
        signed = {"host": parts.netloc.lower()} | {
            name: value for name, value in sent.items() if name == "content-type" or name.startswith("x-amz-")
        }
        names = ";".join(sorted(signed))
        canonical = "\n".join(
            (
                method,
                quote(unquote(parts.path) or "/", safe="/-_.~"),
                _query(parts.query),
                *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
                "",
                names,
                hashlib.sha256(body).hexdigest(),
            )
        )
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        signature = hmac.new(self._key(moment[:8]), text.encode(), hashlib.sha256).hexdigest()
        credential = f"{self._access_key.reveal()}/{scope}"
        own["Authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return own

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self._secret_key.reveal()}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def _query(query: str) -> str:
    """Return a query sorted and encoded as it is signed."""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = ((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))
