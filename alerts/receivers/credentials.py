"""How a request says who sends it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from alerts.net.secret import Secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """A bearer token, or a user and password; or nothing."""

    token: Secret | None = None
    username: str = ""
    password: Secret | None = None

    def headers(self) -> dict[str, str]:
        """Return the header for this attempt.

        Raises
        ------
        DeliveryError
            If a secret cannot be read.
        """
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token.reveal()}"}
        if self.password is not None:
            pair = f"{self.username}:{self.password.reveal()}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}
