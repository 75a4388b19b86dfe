"""Reading the keys of one receiver, with every problem told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Final, TypeVar

from alerts.net.addresses import Network
from alerts.net.errors import DeliveryError
from alerts.net.guard import WEB_PORTS, Guard, Policy
from alerts.net.http import Endpoint
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.receivers.credentials import Credentials
from alerts.receivers.parts import Parts
from alerts.receivers.settings import Problem, ReceiverSettings

_NOTHING: Final = ""
T = TypeVar("T", bound=str)
Built = TypeVar("Built")


class Options:
    """The keys of one receiver. What is wrong is noted and replaced by something harmless, so that all is read.

    Parameters
    ----------
    settings
        The receiver.
    index
        Its place in the list, counted from 0.
    problems
        Where problems are noted.
    parts
        What receivers share.
    """

    def __init__(self, settings: ReceiverSettings, index: int, problems: list[Problem], parts: Parts) -> None:
        self.parts = parts
        self._options = settings.options
        self._index = index
        self._problems = problems
        self._known: list[str] = []

    @property
    def faulty(self) -> bool:
        """Whether anything was found to be wrong with it so far."""
        return any(problem.index == self._index for problem in self._problems)

    def problem(self, key: str, message: str, hint: str = "") -> None:
        """Note a problem."""
        self._problems.append(Problem(self._index, key, message, hint))

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without ``default`` it must be there."""
        value = self.value(key)
        if value is None:
            if default is None:
                self.problem(key, "is missing")
        elif not isinstance(value, str) or not value:
            self.problem(key, "needs a text")
        elif not value.isprintable():
            self.problem(key, "holds a character that cannot be printed")
        else:
            return value
        return default or _NOTHING

    def choice(self, key: str, among: Sequence[T]) -> T:
        """Return one of some words; the first when the key is not there."""
        value = self.value(key)
        found = next((word for word in among if word == value), None)
        if found is None and value is not None:
            self.problem(key, f"not one of: {', '.join(among)}", near(value, among) if isinstance(value, str) else "")
        return found or among[0]

    def flag(self, key: str) -> bool:
        """Return whether a key is ``true``; it need not be there."""
        value = self.value(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.problem(key, "needs true or false")
        return False

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """Return a number within bounds."""
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.problem(key, f"needs a number from {least:g} to {most:g}")
            return default
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of it."""
        value = self.value(key)
        if value is None:
            if required:
                self.problem(key, "is missing")
            return ()
        items = [value] if isinstance(value, str) else value
        if isinstance(items, Sequence) and items and all(isinstance(item, str) and item for item in items):
            return tuple(items)
        self.problem(key, "needs a list of texts")
        return ()

    def secret(self, key: str, *, required: bool = False) -> Secret | None:
        """Return a secret, given by the key or by a file under the key with ``_file`` behind it."""
        value, file = self.value(key), self.value(f"{key}_file")
        if value is not None and file is not None:
            self.problem(key, "given twice", f"give {key} or {key}_file")
        elif isinstance(value, Secret):
            return value
        elif isinstance(value, str) and value:
            return Secret(value)
        elif isinstance(file, str | Path) and str(file):
            return Secret.from_file(file)
        elif value is not None or file is not None:
            self.problem(key if value is not None else f"{key}_file", "needs a text")
        elif required:
            self.problem(key, "is missing", f"give {key} or {key}_file")
        return None

    def file(self, key: str) -> Path | None:
        """Return the path of a file; it need not be there."""
        value = self.value(key)
        if value is None or isinstance(value, Path):
            return value
        if isinstance(value, str) and value:
            return Path(value)
        self.problem(key, "needs the path of a file")
        return None

    def guard(self, ports: frozenset[int] = WEB_PORTS) -> Guard:
        """Return what decides where this receiver may connect to, by ``allow``, ``allow_ports``, ``allow_http``."""
        networks: list[Network] = []
        hosts: set[str] = set()
        for entry in self.texts("allow"):
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry or entry.replace(".", "").isdigit() or ":" in entry:
                    self.problem("allow", "holds what is neither a network nor a name", "write 10.1.0.0/16 or a name")
                hosts.add(entry.rstrip(".").lower())
        policy = Policy(
            networks=self.parts.policy.networks + tuple(networks),
            hosts=self.parts.policy.hosts | hosts,
            ports=self.parts.policy.ports | ports | self._ports(),
            clear=self.flag("allow_http") or self.parts.policy.clear,
        )
        return Guard(policy, self.parts.resolver)

    def tls(self) -> Tls:
        """Return what is trusted and shown, by ``ca_file``, ``cert_file`` and ``key_file``."""
        tls = Tls(self.file("ca_file"), self.file("cert_file"), self.file("key_file"))
        try:
            tls.context()
        except DeliveryError as error:
            self.problem("ca_file" if self.value("cert_file") is None else "cert_file", error.reason)
        return tls

    def credentials(self) -> Credentials:
        """Return how requests say who sends them, by ``bearer_token`` or ``username`` and ``password``."""
        token, password = self.secret("bearer_token"), self.secret("password")
        username = self.text("username", "")
        if token is not None and password is not None:
            self.problem("bearer_token", "given beside a password", "give one of them")
        if bool(username) != (password is not None):
            self.problem("username", "user and password belong together")
        return Credentials(token, username, password)

    def endpoint(self, key: str, secret: Secret | None, guard: Guard, tls: Tls) -> Endpoint:
        """Return where messages are posted to, checked as far as that can be done without a connection."""
        endpoint = Endpoint(secret or Secret(""), guard, tls)
        if secret is not None:
            self.check(key, endpoint.target)
        return endpoint

    def check(self, key: str, attempt: Callable[[], object]) -> None:
        """Note what ``attempt()`` complains about."""
        try:
            attempt()
        except DeliveryError as error:
            self.problem(key, error.reason)

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._options.keys() - set(self._known):
            self.problem(str(key), "unknown key", near(str(key), self._known))

    def _ports(self) -> frozenset[int]:
        value = self.value("allow_ports")
        if value is None:
            return frozenset()
        if isinstance(value, list | tuple | set | frozenset) and all(
            isinstance(port, int) and not isinstance(port, bool) and 0 < port < 1 << 16 for port in value
        ):
            return frozenset(value)
        self.problem("allow_ports", "needs a list of ports from 1 to 65535")
        return frozenset()

    def value(self, key: str) -> object:
        """Return what stands under a key, as it is."""
        self._known.append(key)
        return self._options.get(key)


def near(word: str, known: Sequence[str]) -> str:
    """Return a hint that names the known word nearest to ``word``, or all of them.

    >>> near("weebhook", ["webhook", "slack"])
    'did you mean webhook?'
    """
    found = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else f"known here: {', '.join(dict.fromkeys(known))}"


def build_one(
    kinds: Mapping[str, Callable[[Options], Built | None]],
    settings: ReceiverSettings,
    index: int,
    problems: list[Problem],
    parts: Parts,
) -> Built | None:
    """Return what the settings describe, ``None`` where something is wrong with them, which is noted."""
    build = kinds.get(settings.kind)
    if build is None:
        hint = near(settings.kind, tuple(kinds))
        problems.append(Problem(index, "kind", f"not one of: {', '.join(kinds)}", hint))
        return None
    options = Options(settings, index, problems, parts)
    built = build(options)
    options.finish()
    return built
