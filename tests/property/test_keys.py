"""Keys of the state: order, round trip, prefixes, damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.keys import MalformedKeyError, Part, compose, parse, prefix

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(alphabet=st.one_of(st.sampled_from("\x00\x01\x02\xff\ud800a"), st.characters()), max_size=6)
PARTS = st.lists(st.one_of(INTEGERS, TEXTS), max_size=4)
PARTITIONS = st.integers(0, (1 << 32) - 1)
NAMESPACES = st.binary(min_size=1, max_size=1)


@given(NAMESPACES, PARTITIONS, PARTS)
def test_a_key_round_trips(namespace: bytes, partition: int, parts: list[Part]) -> None:
    assert parse(compose(namespace, partition, *parts)) == (namespace, partition, *parts)


@given(PARTITIONS, PARTITIONS, st.lists(st.tuples(TEXTS, INTEGERS, TEXTS, INTEGERS), min_size=2, max_size=2))
def test_keys_sort_as_their_parts(first: int, second: int, parts: list[tuple[str, int, str, int]]) -> None:
    one, two = parts
    keys = compose(b"P", first, *one), compose(b"P", second, *two)
    assert (keys[0] < keys[1]) == ((first, *one) < (second, *two))
    assert (keys[0] == keys[1]) == ((first, *one) == (second, *two))


@given(TEXTS, TEXTS, INTEGERS)
def test_a_prefix_takes_in_whole_parts_only(one: str, two: str, number: int) -> None:
    key = compose(b"P", 1, two, number)
    assert key.startswith(prefix(b"P", 1, one)) == (one == two)
    assert key.startswith(prefix(b"P", 1, two, number))
    assert key.startswith(prefix(b"P", 1))
    assert not key.startswith(prefix(b"P", 2))


@given(st.binary(max_size=40))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        namespace, partition, *parts = parse(data)
    except MalformedKeyError:
        return
    assert compose(namespace, partition, *parts) == data


@pytest.mark.parametrize("arguments", [(b"", 0), (b"PP", 0), (b"P", -1), (b"P", 1 << 32), (b"P", 0, 1 << 63)])
def test_what_does_not_fit_is_refused(arguments: tuple[bytes, int]) -> None:
    with pytest.raises(ValueError, match=r"namespace|co-partition|64 bits"):
        compose(*arguments)


def test_a_prefix_of_parts_needs_a_partition() -> None:
    with pytest.raises(ValueError, match="follow a partition"):
        prefix(b"P", None, "a")
