"""Which release this is; a test holds it beside pyproject.toml."""

VERSION = "0.1.0"
