"""A .env file that others may read, though it holds a secret."""

from pathlib import Path
from typing import get_args

from pydantic import AliasChoices, SecretStr
from pydantic_settings import DotEnvSettingsSource

from settings import Settings

_OTHERS_READ, _OTHERS_PASS = 0o004, 0o001


def exposed_secrets(file: Path = Path(".env")) -> str:
    """Say which secrets other users of this host may read there, and what to do; "" when there are none."""
    try:
        if not _others_can_read(file.resolve()):
            return ""
    except OSError:  # there is none
        return ""
    names = [name for name, value in DotEnvSettingsSource(Settings, env_file=file).env_vars.items() if value]
    secret = sorted(name.upper() for name in names if name in _secret_settings())
    if not secret:
        return ""
    return f"other users of this host may read {' and '.join(secret)} in {file}: run `chmod 600 {file}`"


def _others_can_read(file: Path) -> bool:
    is_reached = all(folder.stat().st_mode & _OTHERS_PASS for folder in file.parents)
    return bool(file.stat().st_mode & _OTHERS_READ) and is_reached


def _secret_settings() -> set[str]:
    """Return every name under which a secret may stand there, in small letters."""
    names: set[str] = set()
    for name, field in Settings.model_fields.items():
        if _holds_secrets(field.annotation):
            alias = field.validation_alias
            names |= {str(each).lower() for each in alias.choices} if isinstance(alias, AliasChoices) else set()
            names.add(f"slipway_{name}")
    return names


def _holds_secrets(annotation: object) -> bool:
    return annotation is SecretStr or any(_holds_secrets(part) for part in get_args(annotation))
