"""HTTP to servers on this host."""

import ssl
from datetime import timedelta

import httpx

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx would load all root certificates, for plain-text ports


def loopback_client(patience: timedelta = timedelta(seconds=5)) -> httpx.AsyncClient:
    """Return a client that ignores proxies; one silence may last as long as `patience`."""
    return httpx.AsyncClient(trust_env=False, verify=_NO_TLS, timeout=patience.total_seconds())
