"""What the Docker engine tells of itself to whoever explains a failure."""

from collections.abc import Callable
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import NotFound

from models.rules.errors.domain import DomainError

Answer = TypeVar("Answer")


class AskedFacts:
    """Implements EngineFacts. `ask` puts a question to the engine, and raises only DomainErrors."""

    def __init__(self, ask: Callable[[Callable[[APIClient], Any]], Any]) -> None:
        self._ask = ask

    def version(self) -> str | None:
        return self._told(lambda client: client.version(api_version=False).get("Version"))

    def root(self) -> str | None:
        return self._told(lambda client: client.info().get("DockerRootDir"))

    def platform(self) -> str | None:
        def platform(client: APIClient) -> str:
            own = client.version(api_version=False)
            return f"{own.get('Os')}/{own.get('Arch')}"

        return self._told(platform)

    def platform_of(self, image: str) -> str | None:
        def platform(client: APIClient) -> str | None:
            try:
                found: dict[str, Any] = client.inspect_image(image)  # type: ignore[no-untyped-call]  # as in engine.py
            except NotFound:
                return None
            return f"{found.get('Os')}/{found.get('Architecture')}"

        return self._told(platform)

    def _told(self, question: Callable[[APIClient], str | None]) -> str | None:
        try:
            told: str | None = self._ask(question)
        except DomainError:  # the failure is told without
            return None
        return told
