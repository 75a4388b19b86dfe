"""Which addresses may be reached."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.net.addresses import unwrap, why_denied

DENIED = [
    "0.0.0.1", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.1.2.3",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "168.63.129.16", "100.100.100.200", "::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1",    "2002:7f00:1::", "2002:a00:1::", "3fff::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254",
    "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111",
          "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2a00::1"]  # fmt: skip


@pytest.mark.parametrize("text", DENIED)
def test_what_is_not_public_is_denied(text: str) -> None:
    assert why_denied(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_allowed(text: str) -> None:
    assert why_denied(ip_address(text)) == ""


@pytest.mark.parametrize(
    "text", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "168.63.129.16"]
)
def test_cloud_metadata_is_denied_whatever_is_allowed(text: str) -> None:
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert why_denied(ip_address(text), everything, trusted=True) == "cloud metadata"


def test_an_allowed_network_is_allowed_in_every_dress() -> None:
    allowed = [ip_network("10.1.0.0/16")]
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::"):
        assert why_denied(ip_address(text), allowed) == ""
    assert why_denied(ip_address("10.2.0.1"), allowed) == "private"
    assert why_denied(ip_address("fc00::1"), allowed) == "private"
    assert why_denied(ip_address("fc00::1"), (), trusted=True) == ""


@given(st.integers(0, 2**32 - 1))
def test_what_the_standard_library_calls_not_global_is_denied(number: int) -> None:
    address = IPv4Address(number)
    if not address.is_global:
        assert why_denied(address)


@given(
    st.one_of(*(st.ip_addresses(network=net) for net in ("fc00::/7", "fe80::/10", "::/96", "2001::/23", "ff00::/8")))
)
def test_the_same_for_ranges_of_version_6(address: IPv6Address) -> None:
    assert why_denied(address)


@given(st.integers(0, 2**32 - 1))
def test_every_dress_of_an_address_is_judged_as_the_address(number: int) -> None:
    bare = IPv4Address(number)
    dresses = (
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 7),
    )
    for dressed in dresses:
        assert unwrap(dressed) == bare
        assert bool(why_denied(dressed)) == bool(why_denied(bare))
