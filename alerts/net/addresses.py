"""Which addresses nothing may be sent to unless the configuration says so.

The list is spelt out, since what ``ipaddress`` calls private or global misses shared address space, cloud metadata and
the ways in which IPv6 wraps IPv4. It follows the special-purpose registries of IANA (RFC 6890 and its successors).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_DENIED: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(network), name)
    for network, name in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared address space"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local translation"),
        ("100::/64", "discard"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_METADATA: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        "169.254.169.254/32",  # most clouds
        "169.254.170.2/32",  # container credentials
        "169.254.170.23/32",  # pod identity
        "169.254.42.42/32",
        "100.100.100.200/32",
        "168.63.129.16/32",  # looks public
        "192.0.0.192/32",
        "fd00:ec2::254/128",
        "fd00:ec2::23/128",
        "fd00:42::42/128",
        "fd20:ce::254/128",
    )
)
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")


def unwrap(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for (mapped, NAT64, 6to4), or the address itself.

    >>> unwrap(IPv6Address("::ffff:10.0.0.1")), unwrap(IPv6Address("64:ff9b::7f00:1"))
    (IPv4Address('10.0.0.1'), IPv4Address('127.0.0.1'))
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    plain = IPv6Address(int(address))  # without the name of an interface
    return IPv4Address(int(plain) & 0xFFFFFFFF) if plain in _TRANSLATED else plain


def why_denied(address: Address, allowed: Iterable[Network] = (), *, trusted: bool = False) -> str:
    """Return what is wrong with an address, nothing when it may be reached.

    Parameters
    ----------
    address
        The address that a connection would go to.
    allowed
        Networks that may be reached although they are not public.
    trusted
        Whether the host's name is allowed, wherever it leads. Addresses of cloud metadata stay denied.

    Examples
    --------
    >>> why_denied(IPv4Address("10.0.0.1")), why_denied(IPv4Address("10.0.0.1"), [IPv4Network("10.0.0.0/8")])
    ('private', '')
    """
    inner = unwrap(address)
    if any(inner in network for network in _METADATA):
        return "cloud metadata"
    if trusted or any(inner in network for network in allowed):
        return ""
    return next((name for network, name in _DENIED if inner in network), "")
