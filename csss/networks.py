"""What counts as one network address where tries or connections are counted."""

from ipaddress import IPv6Address, ip_address

IPV6_NETWORK = 64  # one line has as many addresses as it likes within these bits


def network_of(address: str) -> str:
    """An IPv4 address, or the network of an IPv6 line."""
    try:
        found = ip_address(address)
    except ValueError:
        return address or "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> IPV6_NETWORK << IPV6_NETWORK)}/{IPV6_NETWORK}"
    return str(found)
