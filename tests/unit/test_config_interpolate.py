"""Variables and files in the configuration's scalars."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config_files import loaded, minimal, problems, write


@pytest.mark.parametrize(
    ("written", "environ", "path"),
    [
        ("${X}", {"X": "a"}, "a"),
        ("${X}-${Y}", {"X": "a", "Y": "b"}, "a-b"),
        ("${X:-b}", {}, "b"),
        ("${X:-b}", {"X": ""}, "b"),
        ("${X:-}z", {}, "z"),
        ('"${X:-a: b}"', {}, "a: b"),
        ("$${X}", {"X": "a"}, "${X}"),
        ("$$${X}", {"X": "a"}, "$${X}"),
        ("$X", {"X": "a"}, "$X"),
        ("a$b}", {}, "a$b}"),
        ("${X}", {"X": "${Y}"}, "${Y}"),
        ("'${X}'", {"X": "a\nb: c"}, "a\nb: c"),
        ("${X}", {"X": "007"}, "007"),
        ("${X}", {"X": "true"}, "true"),
        ("${X}", {"X": "1e3"}, "1e3"),
    ],
)
def test_text(tmp_path: Path, written: str, environ: dict[str, str], path: str) -> None:
    assert loaded(tmp_path, minimal(extra=f"state:\n  path: {written}"), environ).state.path == path


def test_an_unquoted_scalar_gets_the_type_of_its_text(tmp_path: Path) -> None:
    text = minimal("topic: t, where: {value.a: '${N}'}", model="positive_class: ${N}")
    model = loaded(tmp_path, text, {"N": "7"}).models[0]
    assert model.positive_class == 7
    assert model.predictions.where == {"value.a": "7"}


@pytest.mark.parametrize("written", ["${N}", '"${N}"', "${N:-5}", "${file:n}"])
def test_numbers(tmp_path: Path, written: str) -> None:
    write(tmp_path, "5\n", "n")
    assert loaded(tmp_path, minimal(extra=f"state:\n  generations: {written}"), {"N": "5"}).state.generations == 5


@pytest.mark.parametrize(
    ("content", "secret"), [("12345\n", "12345"), ("a\r\n", "a"), (" a b \n\n", " a b "), ("é", "é")]
)
def test_files(tmp_path: Path, content: str, secret: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    security = "{protocol: SASL_SSL, mechanism: PLAIN, username: '1', password: %s}"
    for name in ("secret", tmp_path / "secret"):
        text = minimal(extra="kafka: {security: " + security % f'"${{file:{name}}}"' + "}")
        password = loaded(tmp_path, text).kafka.security.password
        assert password is not None
        assert password.get_secret_value() == secret


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${PASSWORD}", "the variable PASSWORD is not set"),
        ("${SETT}", "the variable SETT is not set (did you mean SET?)"),
        ("${file:none}", "the file none cannot be read: No such file or directory"),
        ("${file:.}", "the file . cannot be read: Is a directory"),
        ("${file:binary}", "the file binary is not UTF-8"),
        ("${file:huge}", "the file huge is larger than 1 MiB"),
        ("${a b}", "not a variable"),
        ("${}", "not a variable"),
        ("${SET", "${ without its }"),
    ],
)
def test_what_cannot_be_replaced_is_told_once(tmp_path: Path, written: str, message: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * ((1 << 20) + 1))
    (found,) = problems(tmp_path, minimal(extra=f"state:\n  generations: '{written}'"), {"SET": "1"})
    assert (found.path, found.message, found.code) == ("state.generations", message, "E107")
    assert (found.line, found.column) == (6, 16)


def test_an_empty_variable_is_null(tmp_path: Path) -> None:
    assert loaded(tmp_path, minimal(model="owner: ${OWNER:-}")).models[0].owner is None


def test_keys_are_left_as_they_are(tmp_path: Path) -> None:
    text = minimal("topic: t, map: {features: {'${X}': value.x}}")
    assert loaded(tmp_path, text, {"X": "a"}).models[0].predictions.map.features == {"${X}": "value.x"}
