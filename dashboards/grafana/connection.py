"""Talking to Grafana through ``grafana-client``, whose traps are handled here; failures become one clear sentence each.

The client is an extra: it brings ``urllib3-future``, which puts itself in the place of ``urllib3`` for the whole
environment. It is imported when it is needed, and has no business in the service's own environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

LEAST: Final = (10, 0)
"""The oldest Grafana whose answers we know."""
UNREACHABLE: Final = 69
TOO_OLD: Final = 76
DENIED: Final = 77
_REFUSED: Final = 65


class GrafanaProblemError(Exception):
    """Grafana cannot be used; says why in one line, and with which exit status to end."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Connection:
    """A Grafana that answered, may be used and is not too old.

    Parameters
    ----------
    url
        Where Grafana is served, a path under the host included.
    token
        Of a service account with the role Editor; or ``user:password``.
    timeout
        Seconds for each request.

    Raises
    ------
    GrafanaProblemError
        When Grafana cannot be reached, does not let us in, or is older than ``LEAST``.
    """

    def __init__(self, url: str, token: str, timeout: float = 10.0) -> None:
        self.url = _checked(url)
        self.api: Any = _api(self.url, token, timeout)
        with self.said("look at its version"):
            found = self.api.health.check()
        self.version = _version(found, self.url)
        if self.version is not None and self.version < LEAST:
            told, least = (".".join(map(str, parts)) for parts in (self.version, LEAST))
            raise GrafanaProblemError(f"{self.url}: Grafana {told} is too old; {least} or newer is needed", TOO_OLD)

    @contextmanager
    def said(self, purpose: str) -> Iterator[None]:
        """Turn what the client raises into a ``GrafanaProblemError`` that says what was to be done."""
        import niquests
        from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError

        try:
            yield
        except GrafanaTimeoutError as error:
            raise GrafanaProblemError(f"{self.url}: no answer in time to {purpose}", UNREACHABLE) from error
        except GrafanaClientError as error:
            if error.status_code in {401, 403}:
                why = "the token is not accepted" if error.status_code == 401 else "the token may not do it"
                raise GrafanaProblemError(
                    f"{self.url}: cannot {purpose}: {why}; a service account with the role Editor is needed", DENIED
                ) from error
            raise GrafanaProblemError(f"{self.url}: cannot {purpose}: {_words(error)}", _REFUSED) from error
        except GrafanaException as error:
            raise GrafanaProblemError(f"{self.url}: cannot {purpose}: {_words(error)}", UNREACHABLE) from error
        except niquests.exceptions.TooManyRedirects as error:
            raise GrafanaProblemError(
                f"{self.url}: it answers with a redirect; give the address that it leads to", UNREACHABLE
            ) from error
        except niquests.exceptions.JSONDecodeError as error:
            raise GrafanaProblemError(f"{self.url}: what answers there is not Grafana", UNREACHABLE) from error
        except niquests.exceptions.RequestException as error:
            raise GrafanaProblemError(f"{self.url}: cannot be reached", UNREACHABLE) from error


def _checked(url: str) -> str:
    """Return an address that the client makes no nonsense of: it wants a slash at the end of a path.

    >>> _checked("https://ops.example/grafana")
    'https://ops.example/grafana/'
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise GrafanaProblemError(f"{url!r} is not an address such as https://grafana.example/", 2)
    if parts.username or parts.query or parts.fragment:
        raise GrafanaProblemError("the address of Grafana holds more than scheme, host, port and path", 2)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"


def _api(url: str, token: str, timeout: float) -> Any:
    """Return the client, which has no types."""
    try:
        from grafana_client.api import GrafanaApi
    except ImportError as error:
        raise GrafanaProblemError(
            "grafana-client is not installed; install driftline[grafana], in an environment of its own", UNREACHABLE
        ) from error
    user, colon, password = token.partition(":")
    api = GrafanaApi.from_url(url, credential=(user, password) if colon else token, timeout=timeout)
    api.client.s.max_redirects = 0  # a redirected POST would come in as a GET, and elsewhere
    return api


def _version(found: Any, url: str) -> tuple[int, ...] | None:
    """Return the version that Grafana tells, ``None`` when it hides it."""
    if not isinstance(found, dict):
        raise GrafanaProblemError(f"{url}: what answers there is not Grafana", UNREACHABLE)
    match = re.match(r"(\d+)\.(\d+)", str(found.get("version") or ""))
    return None if match is None else (int(match[1]), int(match[2]))


def _words(error: Exception) -> str:
    """Return what Grafana said, in one line and not too long."""
    return " ".join(str(error).split())[:300] or type(error).__name__
