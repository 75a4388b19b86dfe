"""Checking signatures by the Standard Webhooks specification, version 1.0, as a receiver."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from alerts.net.errors import DeliveryError
from alerts.net.secret import Secret
from alerts.receivers.standard_webhooks import signing_key

TOLERANCE: Final = 300
"""Seconds by which a timestamp may differ from the clock."""
_LONGEST_ID: Final = 256


class SignatureError(ValueError):
    """A message is not from who it should be, or too old. The text is safe to show."""


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[Secret], now: float) -> str:
    """Return the id of a message whose signature is good.

    Parameters
    ----------
    headers
        By names in lower case.
    secrets
        Any of them may have signed; two while they are changed over.
    now
        Seconds since the epoch.

    Raises
    ------
    SignatureError
        When a header is missing or malformed, the timestamp is off by more than five minutes, or no signature fits.
    """
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split()
    if not name or not stamp or not signatures or len(name) > _LONGEST_ID or not name.isascii():
        raise SignatureError("webhook-id, webhook-timestamp and webhook-signature are needed")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureError("webhook-timestamp is not in seconds")
    if abs(now - int(stamp)) > TOLERANCE:
        raise SignatureError("webhook-timestamp is too old or too new")
    given = [digest for each in signatures[:16] if (digest := _digest(each)) is not None]
    signed = b".".join((name.encode(), stamp.encode(), body))
    good = False
    for key in _keys(secrets):
        expected = hmac.new(key, signed, hashlib.sha256).digest()
        for each in given:
            good |= hmac.compare_digest(each, expected)
    if not good:
        raise SignatureError("no signature fits")
    return name


def _keys(secrets: Sequence[Secret]) -> list[bytes]:
    """Return the keys that can be read; a file that is being changed over must not stop the other."""
    keys: list[bytes] = []
    for secret in secrets:
        try:
            keys.append(signing_key(secret.reveal()))
        except DeliveryError:
            continue
    if not keys:
        raise SignatureError("no secret can be read")
    return keys


def _digest(signature: str) -> bytes | None:
    version, comma, text = signature.partition(",")
    if version != "v1" or not comma:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
