"""Signatures by the Standard Webhooks specification, version 1.0."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from alerts.net.errors import DeliveryError
from alerts.net.secret import Secret

_PREFIX: Final = "whsec_"


def signing_key(text: str) -> bytes:
    """Return the key that a ``whsec_…`` text holds: 24 to 64 bytes in base64.

    Raises
    ------
    DeliveryError
        If it is none.
    """
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise DeliveryError("a signing secret is not whsec_ and 24 to 64 bytes in base64")
    return key


def signed_headers(message_id: str, timestamp: int, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
    """Return the headers that let a receiver check who sent a body, and when.

    Parameters
    ----------
    message_id
        The same at every attempt.
    timestamp
        Seconds since the epoch, of this attempt: receivers refuse what is older than some minutes.
    body
        The bytes as they are sent.
    secrets
        One signature each, so that a receiver that knows either of two can check; none gives no signature.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    digests = (hmac.new(signing_key(secret.reveal()), signed, hashlib.sha256).digest() for secret in secrets)
    signatures = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return headers | ({"webhook-signature": signatures} if signatures else {})
