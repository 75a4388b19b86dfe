"""Results of runs: signed, fresh, for the proposal they name, and each taken once."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from alerts.durations import SECOND
from alerts.net.secret import Secret
from alerts.receivers.standard_webhooks import signed_headers
from alerts.retraining.callback import LARGEST, Callback
from alerts.retraining.signature import SignatureError, verify
from alerts.retraining.targets.port import Started
from tests.retraining_ground import FREE, Ground, policy_of

SECRET = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
OTHER = "whsec_" + b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Return a service with one run under way."""
    made = Ground(tmp_path, policy_of(FREE))
    made.tell("performance")
    made.wait()
    assert made.one().state == "running"
    yield made
    made.close()


def callback(ground: Ground, *known: str) -> Callback:
    return Callback(ground.store, [Secret(each) for each in known or (SECRET,)], lambda: ground.now)


def signed(body: bytes, now: int, name: str = "msg_1", secret: str = SECRET) -> dict[str, str]:
    """Return headers as the specification's own package makes them."""
    moment = datetime.fromtimestamp(now // SECOND, UTC)
    signature = Webhook(secret).sign(name, moment, body.decode())
    return {"webhook-id": name, "webhook-timestamp": str(now // SECOND), "webhook-signature": signature}


def result(ground: Ground, **fields: Any) -> bytes:
    return json.dumps({"id": ground.one().id, "status": "succeeded", **fields}).encode()


def test_a_success_names_the_new_version(ground: Ground) -> None:
    body = result(ground, version="8", run="r-9", url="https://ci.example/9")
    assert callback(ground).take(ground.one().id, signed(body, ground.now), body) == (204, "")
    found = ground.one()
    assert (found.state, found.new_version, found.run, found.url) == ("succeeded", "8", "r-9", "https://ci.example/9")
    assert ground.audit()[-1][:2] == ("callback msg_1", "succeeded")
    ground.know(version="9")
    ground.wait()
    assert ground.one().adopted_at is None, "another version than the one that was trained"
    ground.know(version="8")
    ground.wait()
    assert ground.one().adopted_at == ground.now


def test_a_failure_and_a_sign_of_life(ground: Ground) -> None:
    alive = result(ground, status="running", url="https://ci.example/1")
    assert callback(ground).take(ground.one().id, signed(alive, ground.now), alive).status == 204
    assert (ground.one().state, ground.one().url) == ("running", "https://ci.example/1")
    body = result(ground, status="failed", message="out of memory\n\x1b[31m" + "x" * 500)
    assert callback(ground).take(ground.one().id, signed(body, ground.now, "msg_2"), body).status == 204
    found = ground.one()
    assert (found.state, found.outcome) == ("failed", "failed")
    assert found.problem.startswith("out of memory")
    assert len(found.problem) <= 256
    assert found.problem.isprintable()
    ground.wait()
    assert ground.one().state == "cooldown"


def test_the_table_of_signatures(ground: Ground) -> None:
    body, name = result(ground), ground.one().id
    good = signed(body, ground.now)

    def status(headers: dict[str, str], content: bytes = body, *known: str) -> int:
        return callback(ground, *known).take(name, headers, content).status

    assert status(good, body + b" ") == 401
    assert status(good | {"webhook-id": "msg_2"}) == 401
    assert status(good | {"webhook-timestamp": str(ground.now // SECOND + 1)}) == 401
    assert status(good | {"webhook-signature": "v1,AAAA"}) == 401
    assert status(good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v1a,")}) == 401
    assert status(good | {"webhook-signature": "v1,%%%"}) == 401
    for missing in good:
        assert status({key: value for key, value in good.items() if key != missing}) == 401
    assert status({}) == 401
    assert status(signed(body, ground.now, secret=OTHER)) == 401
    for off in (-301, 301):
        assert status(signed(body, ground.now + off * SECOND)) == 401
    for odd in ("1e9", "-1", "x", "٣", "9" * 30):
        assert status(good | {"webhook-timestamp": odd}) == 401
    assert ground.one().state == "running"
    two = "v1,AAAA " + good["webhook-signature"]
    assert status(good | {"webhook-signature": two}, body, OTHER, SECRET) == 204


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_within_five_minutes(off: int, ground: Ground) -> None:
    body = result(ground)
    assert callback(ground).take(ground.one().id, signed(body, ground.now + off * SECOND), body).status == 204


def test_a_result_is_taken_once(ground: Ground) -> None:
    body, name = result(ground, status="running", run="first"), ground.one().id
    headers = signed(body, ground.now)
    assert callback(ground).take(name, headers, body).status == 204
    later = result(ground, status="running", run="second")
    assert callback(ground).take(name, signed(later, ground.now, "msg_2"), later).status == 204
    assert callback(ground).take(name, headers, body) == (200, "taken before")
    assert ground.one().run == "second"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b"\xff", 400), (b'{"id": "x", "status": "succeeded"}', 400),
        (b'{"status": "succeeded"}', 400), (b'{"id": "?", "status": "done"}', 400), (b"[" * 5_000, 400),
        (b" " * (LARGEST + 1), 413),
    ],
)  # fmt: skip
def test_what_is_no_result(body: bytes, status: int, ground: Ground) -> None:
    name = ground.one().id
    body = body.replace(b'"?"', f'"{name}"'.encode())
    headers = {"webhook-id": "a", "webhook-timestamp": str(ground.now // SECOND)}
    text = body.decode("latin-1").encode("latin-1")
    headers["webhook-signature"] = _sign(text, headers)
    assert callback(ground).take(name, headers, body).status == status
    assert ground.one().state == "running"


def _sign(body: bytes, headers: dict[str, str]) -> str:
    stamp = int(headers["webhook-timestamp"])
    return signed_headers(headers["webhook-id"], stamp, body, [Secret(SECRET)])["webhook-signature"]


def test_the_signature_of_one_proposal_is_none_for_another(ground: Ground) -> None:
    body = result(ground)
    assert callback(ground).take("b" * 32, signed(body, ground.now), body).status == 400
    body = json.dumps({"id": "b" * 32, "status": "failed"}).encode()
    assert callback(ground).take("b" * 32, signed(body, ground.now), body).status == 404


def test_what_is_over_takes_no_results(ground: Ground) -> None:
    name, body = ground.one().id, result(ground, status="failed")
    assert callback(ground).take(name, signed(body, ground.now), body).status == 204
    ground.wait()
    body = result(ground)
    assert callback(ground).take(name, signed(body, ground.now, "msg_2"), body) == (409, "the proposal is cooldown")


def test_without_a_secret_nothing_is_taken(ground: Ground, tmp_path: Path) -> None:
    body = result(ground)
    headers = signed(body, ground.now)
    assert Callback(ground.store, [], lambda: ground.now).take(ground.one().id, headers, body).status == 501
    gone = Secret.from_file(tmp_path / "gone")
    assert Callback(ground.store, [gone], lambda: ground.now).take(ground.one().id, headers, body).status == 401
    assert Callback(ground.store, [gone, Secret(SECRET)], lambda: ground.now).take(ground.one().id, headers, body) == (
        204,
        "",
    )


def test_the_published_vector_of_the_specification() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(headers, b'{"test": 2432232314}', [secret], 1_614_265_330.0) == headers["webhook-id"]
    with pytest.raises(SignatureError):
        verify(headers, b'{"test": 2432232315}', [secret], 1_614_265_330.0)


def test_a_result_that_is_faster_than_the_answer_wins(tmp_path: Path) -> None:
    ground = Ground(tmp_path, policy_of(FREE))
    ground.tell("performance")
    ground.target.answer = lambda key: _report(ground, key)
    ground.wait()
    assert (ground.one().state, ground.one().sending) == ("succeeded", False)


def _report(ground: Ground, key: str) -> Any:
    body = result(ground, version="8")
    assert callback(ground).take(ground.one().id, signed(body, ground.now), body).status == 204
    return Started(key)
