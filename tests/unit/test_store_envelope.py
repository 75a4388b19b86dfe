"""Every stored value carries its format and a checksum over its key and itself."""

from __future__ import annotations

import pytest

from monitor.store.envelope import OVERHEAD, seal, unseal
from monitor.store.port import CorruptStateError


@pytest.mark.parametrize("value", [b"", b"v", b"\0" * 5000])
def test_any_flipped_bit_is_found(value: bytes) -> None:
    sealed = seal(b"key", value)
    assert len(sealed) == len(value) + OVERHEAD
    for bit in range(min(len(sealed), 40) * 8):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptStateError) as caught:
            unseal(b"key", bytes(damaged))
        assert caught.value.key == b"key"


def test_a_value_under_another_key_is_found() -> None:
    with pytest.raises(CorruptStateError, match="6b657a: checksum"):
        unseal(b"kez", seal(b"key", b"value"))


@pytest.mark.parametrize("size", range(OVERHEAD))
def test_too_few_bytes_are_found(size: int) -> None:
    with pytest.raises(CorruptStateError):
        unseal(b"key", seal(b"key", b"")[:size])


def test_the_stored_form_is_the_published_crc() -> None:
    assert seal(b"1234", b"56789").hex() == "01" + "e3069283" + b"56789".hex()
