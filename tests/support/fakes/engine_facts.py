"""An engine that tells nothing of itself to whoever explains a failure."""


class NoFacts:
    """Implements EngineFacts."""

    def version(self) -> str | None:
        return None

    def root(self) -> str | None:
        return None

    def platform(self) -> str | None:
        return None

    def platform_of(self, image: str) -> str | None:
        return None


NO_FACTS = NoFacts()
