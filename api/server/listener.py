"""The sockets that the server answers on."""

import errno
import os
import socket

_PORT_ERRORS = {
    errno.EADDRINUSE: "it is in use; set {setting} to a free port",
    errno.EACCES: "this user may not take it; set {setting} to a port above 1023",
}
_HOST_ERRORS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL}


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts from now on; port 0 takes a free one. Raises OSError, as for a taken port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # connections inherit it; asyncio does this only for sockets it made itself, and without it an answer of two
    # writes waits 40 ms for the other side's delayed acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def why_not(error: OSError, host: str, port: int, setting: str) -> str:
    """Say which setting to change after `listen` raised; `setting` is the one that names the port."""
    number = error.errno or 0
    where = f"cannot listen on {host}:{port}"
    if number in _PORT_ERRORS:
        return f"{where}: {_PORT_ERRORS[number].format(setting=setting)}"
    is_unresolved = number < 0  # the resolver's own numbers
    reason = "no such host" if is_unresolved else os.strerror(number)
    if is_unresolved or number in _HOST_ERRORS:
        return f"{where} ({reason}); set SLIPWAY_API_HOST to an address of this machine, such as 127.0.0.1"
    return f"{where}: {reason}"
