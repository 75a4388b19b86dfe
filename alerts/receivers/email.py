"""Email, as text and HTML, threaded by group."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Final

import structlog

from alerts.net.errors import DeliveryError, outcome_of
from alerts.net.guard import Guard
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.notification import AlertGroup, Deadline, Delivered, Outcome, Rejected, Retry
from alerts.receivers.payload import thread_of
from alerts.receivers.size import fit
from alerts.receivers.smtp import Encryption, Session
from alerts.receivers.text import MOST_ENTRIES, Entry, Message, compose, in_words
from alerts.receivers.times import moment

_SMTP: Final = policy.SMTP.clone(cte_type="7bit", max_line_length=200)
_log = structlog.get_logger("alerts.email")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over.

    Parameters
    ----------
    encryption
        ``starttls``, ``tls`` or ``none``. A password is never sent in the clear.
    """

    host: str
    port: int
    guard: Guard
    tls: Tls
    encryption: Encryption = "starttls"
    username: str = ""
    password: Secret | None = None


class Email:
    """Sends one mail a group to all recipients.

    Parameters
    ----------
    server
        Takes the mail.
    sender, recipients
        Addresses without names.
    """

    def __init__(self, server: MailServer, sender: str, recipients: Sequence[str]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)
        self._domain = sender.rpartition("@")[2]

    def body(self, group: AlertGroup) -> bytes:
        """Return the whole mail. Its ids are made of the message's and the group's, so that a repeat is one mail."""

        def render(entries: int, width: int) -> bytes:
            return self._mail(group, compose(group, entries, width)).as_bytes(policy=_SMTP)

        return fit(min(len(group.alerts), MOST_ENTRIES), render)

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Hand over a stored mail; ``message_id`` stands in it already."""
        return outcome_of(lambda: self._hand_over(message_id, body, deadline))

    def _hand_over(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        server = self._server
        where = f"{server.host}:{server.port}"
        try:
            with closing(self._session(deadline)) as session:
                if server.password is not None:
                    session.login(server.username, server.password.reveal())
                refused = session.sendmail(self._sender, self._recipients, body)
                session.say_goodbye()
        except smtplib.SMTPRecipientsRefused as error:
            return _refusal(where, [code for code, _ in error.recipients.values()])
        except smtplib.SMTPResponseException as error:
            return _refusal(where, [error.smtp_code])
        except smtplib.SMTPNotSupportedError:
            raise DeliveryError(f"{where} offers no such encryption or log-in", lasting=True) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryError(f"the certificate of {server.host} is not trusted: {error.verify_message}") from None
        except (smtplib.SMTPException, OSError):
            raise DeliveryError(f"the connection to {where} broke") from None
        except UnicodeError:
            raise DeliveryError("user or password is not ASCII", lasting=True) from None
        return _partly(where, message_id, {name: code for name, (code, _) in refused.items()})

    def _session(self, deadline: Deadline) -> Session:
        server = self._server
        context = server.tls.context()
        return Session(
            server.guard, server.host, server.port, server.encryption, context, deadline, hello=self._domain
        )  # fmt: skip

    def _mail(self, group: AlertGroup, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=_SMTP)
        own = hashlib.sha256(group.message_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        thread = f"<{thread_of(group.key)}@{self._domain}>"
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Subject"] = message.title[:200]
        mail["Date"] = format_datetime(moment(group.sent_at))
        mail["Message-ID"] = f"<{own}@{self._domain}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(in_words(message))
        mail.add_alternative("\n".join(_html(message)), subtype="html")
        mail.set_boundary(f"=_{own}")
        return mail


def _refusal(where: str, codes: Sequence[int]) -> Outcome:
    """Return the outcome of codes of which all are refusals: 4xx may pass, 5xx not (RFC 5321, section 4.2.1)."""
    reason = f"{where} answered {', '.join(map(str, sorted(set(codes))))}"
    return Rejected(reason) if all(500 <= code < 600 for code in codes) else Retry(reason)


def _partly(where: str, message_id: str, refused: dict[str, int]) -> Outcome:
    """Return the outcome when some recipients have the mail.

    Those that were put off make another attempt, at which the others drop the mail that they know by its id. Those
    refused for good are told in the log.
    """
    if any(code < 500 for code in refused.values()):
        return Retry(f"{where} put off {len(refused)} of the recipients")
    if refused:
        _log.warning("email_recipients_refused", recipients=sorted(refused), server=where, message_id=message_id)
    return Delivered()


def _html(message: Message) -> Iterator[str]:
    yield f"<html><body><h2>{escape(message.title)}</h2>"
    for entry in message.entries:
        yield from _entry_html(entry)
    if message.remainder:
        yield f"<p><b>{escape(message.remainder)}</b></p>"
    links = " &middot; ".join(f'<a href="{escape(link.url)}">{escape(link.name)}</a>' for link in message.links)
    yield f"<p>{links}</p><p>Sent {escape(message.sent)}.</p></body></html>"


def _entry_html(entry: Entry) -> Iterator[str]:
    yield f"<h3>{escape(entry.state.upper())} {escape(entry.heading)}</h3><table>"
    for name, value in entry.facts:
        yield f"<tr><td><b>{escape(name)}</b></td><td>{escape(value)}</td></tr>"
    yield "</table>"
    links = " &middot; ".join(f'<a href="{escape(link.url)}">{escape(link.name)}</a>' for link in entry.links)
    if links:
        yield f"<p>{links}</p>"
