"""No secret of the configuration is ever printed, whatever is wrong with it or around it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from monitor.commands.validate import validate
from monitor.config.load import ConfigError, load
from tests.config_files import minimal, write

CANARY = "cAnArY-7f3a"
SECURITY = "kafka:\n  security:\n    protocol: SASL_SSL\n    mechanism: PLAIN\n    username: joe\n    password: {}"

WRONG = {
    "a list": f"[{CANARY}]",
    "a list in quotes": f'["{CANARY}", 1]',
    "a mapping": f"{{x: {CANARY}}}",
    "a key": f"{{{CANARY}}}",
    "a key given twice": f"{{{CANARY} x: 1, {CANARY} x: 2}}",
    "an alias": f"*{CANARY}",
    "a tag": f"!{CANARY} x",
    "a tag's handle": f"!{CANARY}!x y",
    "an anchor": f"&{CANARY}",
    "a tag of a mapping": f"!{CANARY} {{}}",
    "a character of YAML": f"@{CANARY}",
    "a back quote": f"`{CANARY}`",
    "a second colon": f"a: {CANARY}",
    "an open quote": f"'{CANARY}",
    "an open bracket": f"[{CANARY}",
    "a stray quote": f"'x' {CANARY}",
    "a control character": f"{CANARY}\x07",
    "an open variable": f"${{{CANARY}",
    "an odd variable": f"${{ {CANARY} }}",
    "block text": f"|\n      {CANARY}\n   {CANARY}",
    "a null beside it": f"\n    {CANARY}",
    "a key without its colon": f"x\n    password:{CANARY}",
    "a question mark": f"? {CANARY}",
    "a directive": f"%{CANARY}",
}


@pytest.mark.parametrize("written", WRONG.values(), ids=WRONG.keys())
def test_a_secret_of_the_wrong_form_is_not_printed(
    tmp_path: Path, written: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, minimal(extra=SECURITY.format(written)))
    with pytest.raises(ConfigError) as caught:
        load(path, {"X": CANARY})
    assert caught.value.problems
    assert CANARY not in _everything(caught.value)
    assert validate(path, no_environment=True) == 78
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "text",
    [
        minimal("topic: t, sample: '${X}'"),
        minimal("topic: t, time_format: '${X}'"),
        minimal("topic: t, explode: '${X}'"),
        minimal("topic: t, map: {score: '${X}'}"),
        minimal("topic: t, map: {score: 'row.${X}'}"),
        minimal("topic: t, map: {score: 'key.${X}'}"),
        minimal("topic: t, map: {id: '{${X}'}"),
        minimal("topic: t, map: {id: 'a{${X}}'}"),
        minimal("topic: t, map: {decode: {value.a: '${X}'}}"),
        minimal(model="decision: ${X}"),
        minimal(model="decision: score >= ${X}"),
        minimal(model="task: ${X}"),
        minimal(model="skew: ${X}"),
        minimal(model="reference: {source: '${X}'}"),
        minimal(model="windows: {a: '${X}'}"),
        minimal(model="windows: {a: {size: '${X}'}}"),
        minimal(model="detectors: ['${X}']"),
        minimal(model="detectors: [{kind: psi, window: '${X}'}]"),
        minimal(model="detectors: [{kind: psi, on: ['${X}']}]"),
        minimal(model="features: {a: {range: ['${X}', 1]}}"),
        minimal(extra="models: ${X}"),
        minimal(extra="kafka: ${X}"),
        minimal(extra="kafka: {start: '${X}'}"),
        minimal(extra="kafka: {bootstrap_servers: '${X}'}"),
        minimal(extra="kafka: {bootstrap_servers: ['${X}']}"),
        minimal(extra="kafka: {bootstrap_servers: ['https://joe:${X}@host:1/?token=${X}']}"),
        minimal(extra="kafka: {client: '${X}'}"),
        minimal(extra="kafka: {security: {protocol: '${X}'}}"),
        minimal(extra="kafka: {security: {mechanism: '${X}'}}"),
        minimal(extra="kafka: {security: {check_hostname: '${X}'}}"),
        minimal(extra="kafka: {security: {ca_file: '${X}'}}"),
        minimal(extra="kafka: {security: {password: '${X}', key_password: '${X}'}}"),
        minimal(extra="calendar: {timezone: '${X}', holidays: ['${X}']}"),
        minimal(extra="http: {listen: '${X}'}"),
        minimal(extra="limits: {max_record_bytes: '${X}', versions: '${X}'}"),
        minimal(extra="log: {level: '${X}'}"),
        minimal(extra="state: {checkpoint: '${X}', shards: {count: '${X}'}}"),
        "version: ${X}\nmodels: [{name: '${X} x', predictions: {topic: t}}]\n",
        "${X}",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_printed(
    tmp_path: Path, text: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {"X": CANARY})
    assert CANARY not in _everything(caught.value)
    monkeypatch.setenv("X", CANARY)
    assert validate(path, no_environment=True) == 78
    assert CANARY not in "".join(capfd.readouterr())


def test_a_secret_in_its_place_is_not_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, CANARY, "secret")
    file = f"file: 'https://joe:{CANARY}@host/x.jsonl?token={CANARY}'"
    for written in (CANARY, "${file:secret}", '"${file:secret}"'):
        path = write(
            tmp_path,
            minimal(
                file,
                extra=SECURITY.format(written) + f"\n    key_password: {CANARY}\n    key_file: k\n    cert_file: k",
            ),
        )
        write(tmp_path, "", "k")
        config = load(path, {})
        assert config.kafka.security.password is not None
        assert config.kafka.security.password.get_secret_value() == CANARY
        for shown in (repr(config), str(config), f"{config.models[0].predictions!r}", config.kafka.model_dump_json()):
            assert CANARY not in shown
        assert validate(path, no_environment=True) == 0
        assert CANARY not in "".join(capfd.readouterr())


def test_a_password_in_the_file_is_warned_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for written, warned in ((CANARY, True), ("${X:-abc}", False)):
        path = write(tmp_path, minimal(extra=SECURITY.format(written)))
        validate(path, no_environment=True)
        assert ("a secret stands in the file" in capfd.readouterr().err) is warned


def _everything(error: ConfigError) -> str:
    """Return whatever anybody might print of an error."""
    problems = json.dumps([[str(getattr(p, name)) for name in p.__slots__] for p in error.problems])
    shown = [str(error), repr(error), repr(error.args), repr(error.problems), problems]
    return "\n".join([*shown, *traceback.format_exception(error)])
