"""Decide what counts as one network address when attempts or connections are counted."""

from ipaddress import IPv6Address, ip_address

IPV6_NETWORK = 64  # one subscriber controls all addresses below this prefix


def network_of(address: str) -> str:
    """An IPv4 address, or the network prefix of an IPv6 subscriber."""
    try:
        found = ip_address(address)
    except ValueError:
        return address or "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> IPV6_NETWORK << IPV6_NETWORK)}/{IPV6_NETWORK}"
    return str(found)
