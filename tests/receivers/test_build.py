"""From settings to receivers, with all problems at once."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from alerts.net.guard import Policy
from alerts.net.secret import Secret
from alerts.receivers.build import build_receivers
from alerts.receivers.kinds import KINDS
from alerts.receivers.options import Options
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiversError, ReceiverSettings
from tests.receivers.test_kafka import Recording

URL = "https://h.example/hunter2"
GOOD: dict[str, dict[str, object]] = {
    "webhook": {"url": URL, "secret": Secret("whsec_" + "QUJD" * 10), "format": "cloudevents"},
    "slack": {"token": "xoxb-secret", "channel": "#alerts"},
    "pagerduty": {"routing_key": "k"},
    "alertmanager": {"urls": ["https://am-0.example:9093", "https://am-1.example:9093/prefix/"], "resend_interval": 30},
    "teams": {"url": URL},
    "email": {"host": "mail.example", "from": "a@b.example", "to": "c@d.example", "encryption": "tls"},
    "apprise": {"url": "json://h.example"},
}


def problems_of(*settings: tuple[str, dict[str, object]], policy: Policy | None = None) -> list[str]:
    """Return what is wrong."""
    with pytest.raises(ReceiversError) as caught:
        build_receivers(
            [ReceiverSettings(f"r{place}", *one) for place, one in enumerate(settings)],
            Parts(policy=policy or Policy()),
        )
    assert "hunter2" not in str(caught.value)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("kind", GOOD)
def test_good_settings_build(kind: str) -> None:
    assert list(build_receivers([ReceiverSettings("one", kind, GOOD[kind])])) == ["one"]


def test_every_kind_is_known() -> None:
    assert set(KINDS) == GOOD.keys() | {"kafka"}


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("webhook", {}, "receivers[0].url: is missing; give url or url_file"),
        ("webhook", {"url": URL, "url_file": "/x"}, "receivers[0].url: given twice; give url or url_file"),
        ("webhook", {"url": 7}, "receivers[0].url: needs a text"),
        ("webhook", {"url": "ftp://hunter2"},
         "receivers[0].url: not a web address: it must begin with https:// or http://"),
        ("webhook", {"url": "http://h.example"},
         "receivers[0].url: http is not encrypted; use https or set allow_http"),
        ("webhook", {"url": "https://h.example:9/"}, "receivers[0].url: port 9 is not allowed; add it to allow_ports"),
        ("webhook", {"url": "https://10.0.0.1/"},
         "receivers[0].url: 10.0.0.1 leads to 10.0.0.1, which is denied: private; if that is meant, add it to allow"),
        ("webhook", {"url": "https://joe:hunter2@h.example/"},
         "receivers[0].url: the address holds a user or password; give them by keys of their own"),
        ("webhook", {"url_file": "/no/such"},
         "receivers[0].url: the file /no/such cannot be read: No such file or directory"),
        ("webhook", {"url": URL, "secret": "hunter2"},
         "receivers[0].secret: a signing secret is not whsec_ and 24 to 64 bytes in base64"),
        ("webhook", {"url": URL, "format": "cloudevent"},
         "receivers[0].format: not one of: alertmanager, cloudevents; did you mean cloudevents?"),
        ("webhook", {"url": URL, "bearer_token": "hunter2", "username": "a", "password": "hunter2"},
         "receivers[0].bearer_token: given beside a password; give one of them"),
        ("webhook", {"url": URL, "username": "a"}, "receivers[0].username: user and password belong together"),
        ("webhook", {"url": URL, "ca_file": "/no/such"}, "receivers[0].ca_file: the file /no/such cannot be read"),
        ("webhook", {"url": URL, "allow": ["10.0.0.0/33"]},
         "receivers[0].allow: holds what is neither a network nor a name; write 10.1.0.0/16 or a name"),
        ("webhook", {"url": URL, "allow": 5}, "receivers[0].allow: needs a list of texts"),
        ("webhook", {"url": URL, "allow_ports": [0]},
         "receivers[0].allow_ports: needs a list of ports from 1 to 65535"),
        ("webhook", {"url": URL, "allow_http": "yes"}, "receivers[0].allow_http: needs true or false"),
        ("webhook", {"url": URL, "secrte": "hunter2"}, "receivers[0].secrte: unknown key; did you mean secret?"),
        ("weebhook", {}, f"receivers[0].kind: not one of: {', '.join(KINDS)}; did you mean webhook?"),
        ("slack", {}, "receivers[0].url: is missing; give url (or url_file), or token and channel"),
        ("slack", {"token": "t"}, "receivers[0].channel: is missing; a bot must be told where to post"),
        ("slack", {"token": "t", "channel": "c", "url": URL}, "receivers[0].url: given beside token; give one of them"),
        ("slack", {"url": URL, "channel": "c"},
         "receivers[0].channel: a webhook has its channel already; leave it out, or give token, not url"),
        ("slack", {"url": URL, "channel": "a\nb"}, "receivers[0].channel: holds a character that cannot be printed"),
        ("pagerduty", {}, "receivers[0].routing_key: is missing; give routing_key or routing_key_file"),
        ("alertmanager", {}, "receivers[0].urls: is missing"),
        ("alertmanager", {"urls": []}, "receivers[0].urls: needs a list of texts"),
        ("alertmanager", {"urls": [URL], "resend_interval": 0},
         "receivers[0].resend_interval: needs a number from 1 to 3600"),
        ("teams", {}, "receivers[0].url: is missing; give url or url_file"),
        ("email", {"host": "h.example", "to": ["a@b.example"]}, "receivers[0].from: is missing"),
        ("email", {"host": "h.example", "from": "a@b.example", "to": ["Joe <a@b.example>"]},
         "receivers[0].to: needs addresses such as ops@example.org, without names"),
        ("email", {"host": "h.example", "from": "a@b.example", "to": ["a@b.example"],
         "username": "u", "password": "hunter2",
                   "encryption": "none"},
         "receivers[0].password: would be sent in the clear; use encryption starttls or tls"),
        ("email", {"host": "10.1.1.1", "from": "a@b.example", "to": ["a@b.example"]},
         "receivers[0].port: 10.1.1.1 leads to 10.1.1.1, which is denied: private; if that is meant, add it to allow"),
        ("kafka", {"topic": "t"}, "receivers[0].kind: there is no Kafka to publish to; configure kafka"),
        ("apprise", {}, "receivers[0].url: is missing; give url or url_file"),
        ("apprise", {"url": "nosuch://hunter2"}, "receivers[0].url: Apprise does not know such an address"),
    ],
)  # fmt: skip
def test_each_problem_is_told_by_its_key_and_no_value_is(kind: str, options: dict[str, object], said: str) -> None:
    assert problems_of((kind, options)) == [said]


def test_all_problems_of_all_receivers_are_told_together() -> None:
    told = problems_of(
        ("webhook", {"url": "x", "secret": "hunter2", "colour": 1}), ("teams", {}), ("nothing", {}), ("email", {})
    )
    assert [line.partition(":")[0] for line in told] == [
        "receivers[0].colour", "receivers[0].secret", "receivers[0].url", "receivers[1].url", "receivers[2].kind",
        "receivers[3].from", "receivers[3].host", "receivers[3].to",
    ]  # fmt: skip


def test_names_are_there_and_differ() -> None:
    settings = [ReceiverSettings(name, "teams", {"url": URL}) for name in ("a", "a", "")]
    with pytest.raises(ReceiversError) as caught:
        build_receivers(settings)
    assert [problem.key for problem in caught.value.problems] == ["name", "name"]


def test_a_receiver_may_be_allowed_more_than_the_others() -> None:
    inside: dict[str, object] = {"url": "http://10.1.2.3:9000/", "allow": ["10.1.0.0/16"]}
    inside |= {"allow_ports": [9000], "allow_http": True}
    build_receivers([ReceiverSettings("inside", "webhook", inside)])
    told = problems_of(("webhook", dict(inside)), ("webhook", {"url": "https://10.1.2.3/"}))
    assert told[0].startswith("receivers[1].url: 10.1.2.3 leads to")


def test_settings_never_show_their_options() -> None:
    assert "canary" not in repr(ReceiverSettings("a", "webhook", {"url": "https://h.example/canary"}))


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert problems_of(("apprise", {"url": "json://hunter2"})) == [
        "receivers[0].kind: needs the extra of that name; pip install 'driftline[apprise]'"
    ]


def test_files_may_be_paths(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL)
    build_receivers([ReceiverSettings("a", "teams", {"url_file": tmp_path / "url"})])


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_names_every_key(kind: str) -> None:
    text = (Path(__file__).parents[2] / "docs/reference/receivers.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", text, re.MULTILINE))
    told = set(re.findall(r"`([a-z_]+)`", parts[kind] + parts["Keys of every receiver that connects"]))
    options = Options(ReceiverSettings("one", kind, GOOD.get(kind, {})), 0, [], Parts(producer=Recording()))
    KINDS[kind](options)
    asked = {
        key for key in options._known if not (key.endswith("_file") and key.removesuffix("_file") in options._known)
    }
    assert asked <= told
    assert set(re.findall(r"^\| `([a-z_]+)`", parts[kind], re.MULTILINE)) <= asked
