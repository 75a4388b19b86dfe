"""Where commands about alerts go: to the running service over HTTP, or to its state while it is down."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2
import msgspec

from alerts.drill import drill_message
from alerts.engine import AlertEngine
from alerts.matchers import MatcherError
from alerts.net.errors import DeliveryError
from alerts.notification import Deadline, Delivered
from alerts.silences import SilenceError
from alerts.store import Store, StoreUnavailableError
from dashboards.page import alerts as page
from dashboards.page.ask import Ask
from dashboards.page.links import PageLinks
from dashboards.page.past import NoPast
from dashboards.page.scene import Scene
from monitor.alerting.opening import FILE, producer_of
from monitor.alerting.policy import NOBODY, Nobody, build_notifiers, mode_of, policy_of
from monitor.alerting.view import alerts_view
from monitor.api.alerts import silence_data
from monitor.config.load import folder_of, load
from monitor.config.root import Config
from monitor.config.types import parse_duration
from monitor.status import rfc3339
from monitor.views import View

TOKEN: Final = "DRIFTLINE_TOKEN"  # noqa: S105 - the name of a variable
_PATIENCE: Final = 10.0
_KNOCK: Final = 2.0


class DeskError(Exception):
    """What was asked for was not done; the message says why."""


class AlertDesk(Protocol):
    """What commands can ask for."""

    @property
    def where(self) -> str:
        """For people: the address, or the folder of the state."""
        ...

    def alerts(self) -> dict[str, Any]:
        """Return what fires, as the API has it."""
        ...

    def silence(self, matchers: str, span: str, comment: str) -> dict[str, Any]:
        """Begin a silence."""
        ...

    def expire(self, silence: str) -> None:
        """End a silence."""
        ...

    def resolve(self, fingerprint: str, because: str) -> None:
        """End an alert."""
        ...

    def enable(self, receiver: str, because: str) -> None:
        """Let a receiver hear again."""
        ...

    def test(self, receiver: str) -> str:
        """Send a receiver a message that says it is a trial; return what became of it."""
        ...

    def audit(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest changes, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Remote:
    """A running service."""

    where: str
    token: str

    def alerts(self) -> dict[str, Any]:
        """See ``AlertDesk``."""
        found = self._ask("GET", "/api/v1/alerts").get("alerts")
        return found if isinstance(found, dict) else {"mode": "", "alerts": []}

    def silence(self, matchers: str, span: str, comment: str) -> dict[str, Any]:
        """See ``AlertDesk``."""
        return self._ask("POST", "/api/v1/silences", {"matchers": matchers, "for": span, "comment": comment})

    def expire(self, silence: str) -> None:
        """See ``AlertDesk``."""
        self._ask("DELETE", f"/api/v1/silences/{silence}")

    def resolve(self, fingerprint: str, because: str) -> None:
        """See ``AlertDesk``."""
        self._ask("POST", f"/api/v1/alerts/{fingerprint}/resolve", {"because": because})

    def enable(self, receiver: str, because: str) -> None:
        """See ``AlertDesk``."""
        self._ask("POST", f"/api/v1/receivers/{receiver}/enable", {"because": because})

    def test(self, receiver: str) -> str:
        """See ``AlertDesk``."""
        self._ask("POST", f"/api/v1/receivers/{receiver}/test", {})
        return "on its way; driftline_alert_deliveries_total and the page say whether it got through"

    def audit(self, limit: int) -> list[dict[str, Any]]:
        """See ``AlertDesk``."""
        lines: list[dict[str, Any]] = self._ask("GET", f"/api/v1/audit?limit={limit}")["lines"]
        return lines

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = httpx2.request(method, f"{self.where}{path}", json=body, headers=headers, timeout=_PATIENCE)
        except httpx2.TransportError as error:
            raise DeskError(f"{self.where} does not answer: {error}") from error
        try:
            found = msgspec.json.decode(answer.content)
        except msgspec.MsgspecError:
            found = None
        if answer.is_success and isinstance(found, dict):
            return found
        reason = found.get("error", "") if isinstance(found, dict) else ""
        hint = f"; set {TOKEN} or --token-file" if answer.status_code == 401 and not self.token else ""
        raise DeskError(f"{self.where}: {answer.status_code} {reason}{hint}")


class Local:
    """The state of a service that is down. Who may write its files may do all of this."""

    def __init__(self, config: Config, base: Path) -> None:
        self._config = config
        self._base = base
        self._path = Path(config.state.path) / FILE
        self.where = config.state.path

    def alerts(self) -> dict[str, Any]:
        """See ``AlertDesk``."""
        with self._engine() as engine:
            now = time.time_ns() // 1000
            shown = View(now, now, "", "", alerts=alerts_view(engine, mode_of(self._config.alerts), now))
        found = page.read(Scene(shown, NoPast(), Ask(), PageLinks("", Ask())))
        return {} if found is None else dict(msgspec.to_builtins(found))

    def silence(self, matchers: str, span: str, comment: str) -> dict[str, Any]:
        """See ``AlertDesk``."""
        with self._engine() as engine:
            until = time.time_ns() // 1000 + parse_duration(span)
            return silence_data(engine.silences.add(matchers, until, author=getpass.getuser(), comment=comment))

    def expire(self, silence: str) -> None:
        """See ``AlertDesk``."""
        with self._engine() as engine:
            if not engine.expire(silence, author=getpass.getuser()):
                raise DeskError("no silence has this id, or it is over")

    def resolve(self, fingerprint: str, because: str) -> None:
        """See ``AlertDesk``."""
        with self._engine() as engine:
            if fingerprint not in {one.alert.fingerprint for one in engine.alerts()}:
                raise DeskError("no alert that fires has this fingerprint")
            engine.resolve(fingerprint, author=getpass.getuser(), because=because)
            engine.tick(time.time_ns() // 1000)

    def enable(self, receiver: str, because: str) -> None:
        """See ``AlertDesk``."""
        with self._engine() as engine:
            if receiver == NOBODY or receiver not in engine.receivers:
                raise DeskError("no receiver has this name")
            engine.enable(receiver, author=getpass.getuser(), because=because)
            engine.tick(time.time_ns() // 1000)

    def test(self, receiver: str) -> str:
        """See ``AlertDesk``; one attempt, from here."""
        producer = producer_of(self._config)
        notifier = build_notifiers(self._config.alerts, self._base, producer).get(receiver)
        if notifier is None or receiver == NOBODY:
            raise DeskError("no receiver has this name")
        policy = policy_of(self._config)
        group = drill_message(receiver, getpass.getuser(), time.time_ns() // 1000, policy)
        try:
            outcome = notifier.send(group.message_id, notifier.body(group), Deadline(time.monotonic() + policy.attempt))
        except DeliveryError as error:
            raise DeskError(error.reason) from error
        finally:
            if producer is not None:
                producer.close()
        if isinstance(outcome, Delivered):
            return "delivered"
        raise DeskError(outcome.reason)

    def audit(self, limit: int) -> list[dict[str, Any]]:
        """See ``AlertDesk``."""
        with self._engine() as engine:
            return [{**asdict(line), "at": rfc3339(line.at)} for line in engine.audit(limit)]

    @contextmanager
    def _engine(self) -> Iterator[AlertEngine]:
        if not self._path.exists():
            raise DeskError(f"{self._path}: there are no alerts yet, and no service answers")
        store = Store(self._path)
        try:
            receivers = [one.name for one in self._config.alerts.receivers] or [NOBODY]
            nobody = Nobody()
            yield AlertEngine(
                store, policy_of(self._config), {**dict.fromkeys(receivers, nobody), NOBODY: nobody}, dispatch=False
            )
        except (SilenceError, MatcherError, StoreUnavailableError, ValueError) as error:
            raise DeskError(str(error)) from error
        finally:
            store.close()


def find_desk(
    config_path: Path, environ: Mapping[str, str], url: str | None = None, token_file: Path | None = None
) -> AlertDesk:
    """Return the running service if one answers, otherwise its state.

    Parameters
    ----------
    url
        The service; by default the address in the configuration, on this machine.
    token_file
        Holds the token; by default it is in ``DRIFTLINE_TOKEN``.
    """
    token = environ.get(TOKEN, "").strip()
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DeskError(f"{token_file}: cannot be read") from error
    if url is not None:
        return Remote(url.rstrip("/"), token)
    config = load(config_path, environ, needs_references=False)
    address = _address(config.http.listen)
    if _answers(address):
        return Remote(address, token)
    return Local(config, folder_of(config_path))


def _address(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '', '[::]'} else host}:{port}"  # noqa: S104


def _answers(address: str) -> bool:
    """Return whether a service of ours listens there."""
    try:
        return "build" in httpx2.get(f"{address}/api/v1/status", timeout=_KNOCK).text[:10_000]
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False
