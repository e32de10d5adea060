"""What is secret about a database's URL."""

from urllib.parse import unquote, urlsplit

_SHORTEST_PASSWORD = 8


def database_secrets(url: str) -> tuple[str, ...]:
    """Return a database's URL, and its password by itself, as it stands there and as it is meant.

    Not a password that is a usual word, which would blot out words all over: short, or the user's or database's name.
    """
    try:
        parts = urlsplit(url)
        usual = (parts.username, parts.hostname, parts.path.strip("/"))
    except ValueError:
        return (url,)
    password = parts.password or ""
    if len(password) < _SHORTEST_PASSWORD or password in usual:
        return (url,)
    return (url, *dict.fromkeys((password, unquote(password))))
