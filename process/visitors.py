"""Who asks a server of ours without a credential: a program on this machine, or perhaps a website's script. Pure.

A browser sends what any page tells it to, also to servers of its user's machine. Two marks tell such requests: a Host
that is not ours (the page's own name, pointed at us: DNS rebinding), and an Origin or Sec-Fetch-Site that is not ours.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

READS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = {"same-origin", "none"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAME = "localhost"
_ADDRESS = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{0,5}))?", re.ASCII)


@dataclass(frozen=True)
class Address:
    """Where a request was sent: a Host header, or an origin's part behind its scheme."""

    name: str  # in small letters; of IPv6 without brackets
    port: int


def address_of(host: str, scheme: str) -> Address | None:
    """Read a Host header; None for what is no host."""
    found = _ADDRESS.fullmatch(host)
    if found is None:
        return None
    name = found["name"].lower().strip("[]").removesuffix(".")  # "localhost." is the same name, spelled in full
    return Address(name, int(found["port"] or _DEFAULT_PORTS.get(scheme, 0)))


def is_host_name(name: str) -> bool:
    """Say whether this can stand in a Host header."""
    return address_of(name, "") is not None


def is_known_host(host: str, scheme: str, named: Collection[str]) -> bool:
    """Say whether Host is an address of the loopback, or one of `named`; of those with a port only that port."""
    address = address_of(host, scheme)
    if address is None:
        return False
    return _is_loopback(address.name) or any(_means(each, address, scheme) for each in named)


def complaint_about_write(scheme: str, headers: Mapping[str, str]) -> str | None:
    """Say why a request may come from a page of another website, None when it does not."""
    origin = headers.get("origin")
    if origin is not None and not _is_own(origin, scheme, address_of(headers.get("host", ""), scheme)):
        return "A page of another origin may not change anything here; send the request from outside a browser."
    if headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
        return "A page of another site may not change anything here; send the request from outside a browser."
    return None


def _is_loopback(name: str) -> bool:
    try:
        return name == _LOOPBACK_NAME or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _means(named: str, address: Address, scheme: str) -> bool:
    found, wanted = _ADDRESS.fullmatch(named), address_of(named, scheme)
    if found is None or wanted is None or wanted.name != address.name:
        return False
    return not found["port"] or wanted.port == address.port


def _is_own(origin: str, scheme: str, own: Address | None) -> bool:
    origin_scheme, _, address = origin.lower().partition("://")
    return own is not None and origin_scheme == scheme and address_of(address, scheme) == own
