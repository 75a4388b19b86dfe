"""What each kind of receiver makes of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from alerts.net.guard import MAIL_PORTS, WEB_PORTS
from alerts.net.secret import Secret
from alerts.notification import Notifier
from alerts.receivers.alertmanager import RESEND_EVERY, Alertmanager
from alerts.receivers.apprise import Apprise
from alerts.receivers.email import Email, MailServer
from alerts.receivers.kafka import Kafka
from alerts.receivers.options import Options
from alerts.receivers.pagerduty import CHANGES, EVENTS, PagerDuty
from alerts.receivers.slack import POST_MESSAGE, SlackBot, SlackWebhook
from alerts.receivers.smtp import ENCRYPTIONS
from alerts.receivers.standard_webhooks import signing_key
from alerts.receivers.teams import Teams
from alerts.receivers.webhook import FORMATS, Webhook

_ALERTS: Final = "/api/v2/alerts"


def _webhook(options: Options) -> Notifier | None:
    endpoint = options.endpoint("url", options.secret("url", required=True), options.guard(), options.tls())
    keys = ("secret", "previous_secret")
    secrets = [(key, secret) for key in keys if (secret := options.secret(key)) is not None]
    for key, secret in secrets:
        options.check(key, partial(_check_signing, secret))
    return Webhook(
        endpoint,
        options.choice("format", FORMATS),
        [secret for _, secret in secrets],
        options.credentials(),
        options.parts.clock,
    )


def _check_signing(secret: Secret) -> None:
    signing_key(secret.reveal())


def _slack(options: Options) -> Notifier | None:
    url, token = options.secret("url"), options.secret("token")
    channel = options.text("channel", "")
    api = options.text("api_url", POST_MESSAGE)
    guard, tls = options.guard(), options.tls()
    if token is None:
        if url is None:
            options.problem("url", "is missing", "give url (or url_file), or token and channel")
        if channel:
            options.problem("channel", "a webhook has its channel already", "leave it out, or give token, not url")
        return SlackWebhook(options.endpoint("url", url, guard, tls))
    if url is not None:
        options.problem("url", "given beside token", "give one of them")
    if not channel:
        options.problem("channel", "is missing", "a bot must be told where to post")
    return SlackBot(options.endpoint("api_url", Secret(api), guard, tls), token, channel, options.parts.threads)


def _pagerduty(options: Options) -> Notifier | None:
    key = options.secret("routing_key", required=True)
    guard, tls = options.guard(), options.tls()
    events, changes = options.text("url", EVENTS), options.text("change_url", CHANGES)
    return PagerDuty(
        options.endpoint("url", Secret(events), guard, tls),
        options.endpoint("change_url", Secret(changes), guard, tls),
        key or Secret(""),
        options.text("client", "Driftline"),
    )


def _alertmanager(options: Options) -> Notifier | None:
    guard, tls = options.guard(WEB_PORTS | {9093}), options.tls()
    urls = (url.rstrip("/") for url in options.texts("urls", required=True))
    targets = [Secret(url if url.endswith(_ALERTS) else f"{url}{_ALERTS}") for url in urls]
    return Alertmanager(
        [options.endpoint("urls", target, guard, tls) for target in targets],
        options.credentials(),
        options.number("resend_interval", RESEND_EVERY, 1, 3600),
        options.parts.clock,
    )


def _teams(options: Options) -> Notifier | None:
    return Teams(options.endpoint("url", options.secret("url", required=True), options.guard(), options.tls()))


def _email(options: Options) -> Notifier | None:
    encryption = options.choice("encryption", ENCRYPTIONS)
    host, guard = options.text("host"), options.guard(MAIL_PORTS)
    port = int(options.number("port", {"tls": 465, "none": 25}.get(encryption, 587), 1, 65535))
    username, password = options.text("username", ""), options.secret("password")
    if bool(username) != (password is not None):
        options.problem("username", "user and password belong together")
    if password is not None and encryption == "none":
        options.problem("password", "would be sent in the clear", "use encryption starttls or tls")
    if host:
        options.check("port", lambda: guard.check("smtp", host, port))
    sender, recipients = options.text("from"), options.texts("to", required=True)
    for key, addresses in (("from", (sender,) if sender else ()), ("to", recipients)):
        if not all(_is_mail_address(address) for address in addresses):
            options.problem(key, "needs addresses such as ops@example.org, without names")
    return Email(MailServer(host, port, guard, options.tls(), encryption, username, password), sender, recipients)


def _kafka(options: Options) -> Notifier | None:
    topic = options.text("topic")
    if options.parts.producer is None:
        options.problem("kind", "there is no Kafka to publish to", "configure kafka")
        return None
    return Kafka(options.parts.producer, topic)


def _apprise(options: Options) -> Notifier | None:
    url = options.secret("url", required=True)
    try:
        receiver = Apprise(url or Secret(""))
    except ImportError:
        options.problem("kind", "needs the extra of that name", "pip install 'driftline[apprise]'")
        return None
    if url is not None:
        options.check("url", receiver.check)
    return receiver


def _is_mail_address(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and text.isascii() and text.isprintable() and not set(text) & set(' <>",;:\\')


KINDS: Final[Mapping[str, Callable[[Options], Notifier | None]]] = {
    "webhook": _webhook,
    "slack": _slack,
    "pagerduty": _pagerduty,
    "alertmanager": _alertmanager,
    "teams": _teams,
    "email": _email,
    "kafka": _kafka,
    "apprise": _apprise,
}
