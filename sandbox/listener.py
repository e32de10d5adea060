"""The socket that the server answers on."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts from now on; port 0 takes a free one. Raises OSError, as for a taken port."""
    listener = socket.create_server((host, port))
    # inherited by each connection: asyncio does this for sockets of its own making only, and without it every answer
    # of two writes waits 40 ms for the reader's delayed acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
