"""Who may change something over HTTP: bearer tokens, each with its actions and, if it has one, its owner."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alerts.net.errors import DeliveryError
from monitor.config.alerts import Action, TokenConfig

_BEARER: Final = "bearer "


class AccessError(Exception):
    """Somebody may not do this; ``status`` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a token."""

    name: str
    """Stands in the audit."""
    owner: str | None
    """Only models of this owner, ``None`` for all."""
    actions: frozenset[Action]

    def require(self, action: Action, models: Sequence[str] | None, owners: Mapping[str, str]) -> None:
        """Refuse what the token does not allow.

        Parameters
        ----------
        models
            The models that are concerned; ``None`` for what concerns no single model.
        owners
            Model → its owner.

        Raises
        ------
        AccessError
            With status 403.
        """
        if action not in self.actions:
            raise AccessError(403, f"the token {self.name} does not allow {action}")
        if self.owner is None:
            return
        if models is None:
            raise AccessError(403, f"the token {self.name} is for models of {self.owner} only; name one")
        for model in models:
            if owners.get(model) != self.owner:
                raise AccessError(403, f"the token {self.name} is for models of {self.owner} only")


class Access:
    """The tokens of a configuration. One that comes from a file is read at every request, so it can be rotated."""

    def __init__(self, tokens: Sequence[TokenConfig], owners: Mapping[str, str]) -> None:
        self._tokens = tuple(tokens)
        self.owners = dict(owners)
        """Model → its owner, empty for none."""

    def holder(self, secret: str) -> Holder:
        """Return who holds a token; takes equally long for all that are wrong.

        Raises
        ------
        AccessError
            With status 401 when nobody does.
        """
        given = hashlib.sha256(secret.encode()).digest()
        found: TokenConfig | None = None
        for token in self._tokens:
            try:
                known = hashlib.sha256(token.token.reveal().encode()).digest()
            except DeliveryError:
                continue
            if hmac.compare_digest(given, known) and secret:
                found = token
        if found is None:
            hint = "give a bearer token" if self._tokens else "http.tokens is not configured, so nothing can be changed"
            raise AccessError(401, hint if not secret or not self._tokens else "no such token")
        return Holder(found.name, found.owner, frozenset(found.actions))

    def allow(self, secret: str, action: Action, models: Sequence[str] | None) -> Holder:
        """Return who asks, if they may do this; see ``Holder.require``."""
        holder = self.holder(secret)
        holder.require(action, models, self.owners)
        return holder


def bearer(header: str) -> str:
    """Return the token of an ``Authorization`` header, empty when it holds none.

    >>> bearer("Bearer abc"), bearer("Basic abc")
    ('abc', '')
    """
    return header[len(_BEARER) :].strip() if header[: len(_BEARER)].lower() == _BEARER else ""
