"""The sockets that the server answers on."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts from now on; port 0 takes a free one. Raises OSError, as for a taken port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # connections inherit it; asyncio does this only for sockets it made itself, and without it an answer of two
    # writes waits 40 ms for the other side's delayed acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
