"""What a section's type cannot say: checks across fields. Each yields complaints and raises nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from monitor.config.model import ModelConfig, stream_names
from monitor.config.problem import INCONSISTENT, NOT_FOUND, WARNING, WRONG_VALUE, Steps, did_you_mean
from monitor.config.root import AlarmsConfig, CalendarConfig, HttpConfig, KafkaConfig, SecurityConfig, StateConfig
from monitor.events import DAY

_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A problem without its place; ``steps`` start at the section that was checked."""

    steps: Steps
    message: str
    hint: str = ""
    code: str = INCONSISTENT
    needs: tuple[Steps, ...] = ()
    """It is not told when something at or below one of these is wrong already."""


def check_kafka(kafka: KafkaConfig, base: Path) -> Iterator[Complaint]:
    """Check addresses, security and dead letters."""
    for place, server in enumerate(kafka.bootstrap_servers):
        if not is_address(server):
            yield Complaint(("bootstrap_servers", place), "not host:port", code=WRONG_VALUE)
    yield from (_below("security", complaint) for complaint in _check_security(kafka.security, base))
    if kafka.request_timeout <= 0:
        yield Complaint(("request_timeout",), "must be above 0", code=WRONG_VALUE)
    letters = kafka.dead_letters
    if letters is not None and (letters.topic is None) == (letters.file is None):
        yield Complaint(("dead_letters",), "needs exactly one of topic and file")
    if kafka.start == "latest":
        yield Complaint(("start",), "what was logged before the first start is never read", code=WARNING)


def _check_security(security: SecurityConfig, base: Path) -> Iterator[Complaint]:
    sasl, tls = security.protocol.startswith("SASL"), security.protocol.endswith("SSL")
    if security.mechanism is not None and not sasl:
        secure = "SASL_SSL" if tls else "SASL_SSL or SASL_PLAINTEXT"
        yield Complaint(("mechanism",), "a mechanism without a SASL protocol", f"set protocol: {secure}")
    if security.mechanism is None and sasl:
        yield Complaint(("protocol",), "a SASL protocol without a mechanism", "set mechanism")
    yield from _check_login(security)
    if sasl and not tls:
        what = "the password travels unencrypted" if security.mechanism == "PLAIN" else "nothing is encrypted"
        yield Complaint(("protocol",), what, "use SASL_SSL", WARNING)
    for name in ("ca_file", "cert_file", "key_file"):
        if getattr(security, name) is not None and not tls:
            yield Complaint((name,), "a certificate without TLS", "set protocol: SSL or SASL_SSL")
    if (security.cert_file is None) != (security.key_file is None):
        given, other = ("cert_file", "key_file") if security.key_file is None else ("key_file", "cert_file")
        yield Complaint((given,), f"{given} without {other}", f"set {other} too")
    if security.key_password is not None and security.key_file is None:
        yield Complaint(("key_password",), "key_password without key_file", "set key_file")
    if tls and not security.check_hostname:
        yield Complaint(("check_hostname",), "any broker with a trusted certificate is believed", code=WARNING)
    for name in ("ca_file", "cert_file", "key_file", "token_file"):
        file = getattr(security, name)
        if file is not None and not is_file(base, file):
            yield Complaint((name,), "no such file", code=NOT_FOUND)


def _check_login(security: SecurityConfig) -> Iterator[Complaint]:
    given = {name for name in ("username", "password", "token_file") if getattr(security, name) is not None}
    by_token = security.mechanism == "OAUTHBEARER"
    wanted = {"token_file"} if by_token else set() if security.mechanism is None else {"username", "password"}
    for name in sorted(wanted - given):
        yield Complaint(("mechanism",), f"{security.mechanism} needs {name}", f"set {name}", needs=((name,),))
    for name in sorted(given - wanted):
        hint = "leave it out" if security.mechanism else "set mechanism"
        yield Complaint((name,), f"{name} is not used by this mechanism", hint, needs=(("mechanism",),))


def check_state(state: StateConfig) -> Iterator[Complaint]:
    """Check periods and shards."""
    for name in ("checkpoint", "generation_every", "history"):
        if getattr(state, name) <= 0:
            yield Complaint((name,), "must be above 0", code=WRONG_VALUE)
    if state.shards.index >= state.shards.count:
        hint = f"shards are numbered from 0 to {state.shards.count - 1}"
        yield Complaint(("shards", "index"), "must be below count", hint)


def check_calendar(calendar: CalendarConfig) -> Iterator[Complaint]:
    """Check that the time zone and the days exist."""
    try:
        if calendar.timezone != "UTC":
            ZoneInfo(calendar.timezone)
    except (ValueError, OSError, LookupError):
        hint = did_you_mean(calendar.timezone, sorted(available_timezones()))
        yield Complaint(("timezone",), "no such time zone", hint or "write it like Europe/Berlin", WRONG_VALUE)
    for place, day in enumerate(calendar.holidays):
        try:
            date.fromisoformat(day)
        except ValueError:
            yield Complaint(("holidays", place), "not a day", "write it like 2026-12-25", WRONG_VALUE)


def check_alarms(alarms: AlarmsConfig) -> Iterator[Complaint]:
    """Check that budgets leave room for evidence windows of a day, and that somebody listens."""
    for name, severity in (("page", alarms.page), ("warn", alarms.warn)):
        if severity.false_incidents < DAY:
            message = "more than one false incident a day is no budget: an evidence window may be a day long"
            yield Complaint((name, "false_incidents"), message, "such as 1 per 7d", WRONG_VALUE)
        if len(set(severity.kinds)) < len(severity.kinds):
            yield Complaint((name, "kinds"), "a kind is given twice", code=WRONG_VALUE)
        elif not severity.kinds:
            yield Complaint((name, "kinds"), "nothing is listened to", code=WARNING)


def check_http(http: HttpConfig) -> Iterator[Complaint]:
    """Check the address."""
    if not is_address(http.listen):
        yield Complaint(("listen",), "not host:port", "such as 0.0.0.0:9464", WRONG_VALUE)


def check_together(models: Mapping[int, ModelConfig], kafka: KafkaConfig) -> Iterator[Complaint]:
    """Check what lies across sections: names, shared topics, dead letters among the inputs."""
    names: dict[str, int] = {}
    readers: dict[str, list[int]] = {}
    for place, model in models.items():
        if names.setdefault(model.name, place) != place:
            message = f"the same name as models[{names[model.name]}]"
            yield Complaint(("models", place, "name"), message, "names are unique")
        for topic in stream_names(model.predictions) if model.predictions.file is None else ():
            readers.setdefault(topic, []).append(place)
        yield from (_below("models", _below_place(place, one)) for one in _check_challenger(model, models))
    letters = kafka.dead_letters
    if letters is not None and letters.topic in readers:
        message = f"models[{readers[letters.topic][0]}] reads this topic: rejected records would come back for ever"
        yield Complaint(("kafka", "dead_letters", "topic"), message, "use a topic of its own")
    for places in readers.values():
        for place in places:
            if len(places) > 1 and not models[place].predictions.where:
                others = ", ".join(f"models[{other}]" for other in places if other != place)
                message = f"takes every record of a topic that {others} reads too"
                yield Complaint(("models", place, "predictions"), message, "set where", WARNING)


def _check_challenger(model: ModelConfig, models: Mapping[int, ModelConfig]) -> Iterator[Complaint]:
    """Check that there is such a champion, and that the two can be compared."""
    settings, steps = model.challenger_of, ("challenger_of",)
    if settings is None:
        return
    champion = next((other for other in models.values() if other.name == settings.model), None)
    if champion is None or champion.name == model.name:
        names = [other.name for other in models.values() if other.name != model.name]
        hint = did_you_mean(settings.model, names)
        yield Complaint((*steps, "model"), f"no other model {settings.model!r}", hint, NOT_FOUND)
        return
    if champion.task != model.task:
        yield Complaint(steps, f"{champion.name} has another task", code=WRONG_VALUE)
    elif model.task == "ranking":
        yield Complaint(steps, "lists have no losses to compare", code=WRONG_VALUE)
    if not (model.is_labelled and champion.is_labelled):
        yield Complaint(steps, "both models need labels", code=WRONG_VALUE)
    if model.task == "regression" and settings.bound is None:
        hint = "the largest error that is not absurd"
        yield Complaint((*steps, "bound"), "differences of errors need a bound", hint, needs=((*steps, "bound"),))


def _below_place(place: int, found: Complaint) -> Complaint:
    needs = tuple((place, *steps) for steps in found.needs)
    return Complaint((place, *found.steps), found.message, found.hint, found.code, needs)


def is_address(text: str) -> bool:
    """Return whether a text is ``host:port``.

    >>> is_address("kafka-1:9092"), is_address("[::1]:9092"), is_address("kafka"), is_address("u:p@kafka:9092")
    (True, True, False, False)
    """
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 <= int(found[1]) <= 65_535


def is_file(base: Path, name: str) -> bool:
    """Return whether a file exists; a relative name starts at ``base``."""
    try:
        return (base / name).is_file()
    except (OSError, ValueError):
        return False


def _below(name: str, found: Complaint) -> Complaint:
    needs = tuple((name, *steps) for steps in found.needs)
    return Complaint((name, *found.steps), found.message, found.hint, found.code, needs)
