"""Which images somebody wants to see in a list."""

from dataclasses import dataclass

from models.rules.build_lifecycle import ImageStatus
from models.rules.errors.request import RequestInvalid
from models.rules.image_order import check_repo
from models.rules.image_reference import check_tag, normalise_name


@dataclass(frozen=True)
class ImageFilter:
    """None stands for all. Raises RequestInvalid when built with what no image could bear."""

    status: ImageStatus | None = None
    name: str | None = None  # however it is spelled: `docker.io/library/busybox` finds `busybox`
    repo: str | None = None  # in capitals or not, as for GitHub
    tag: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            _check_name(self.name)
        if self.repo is not None:
            check_repo(self.repo)
        if self.tag is not None:
            check_tag(self.tag)

    @property
    def name_key(self) -> str | None:
        return None if self.name is None else normalise_name(self.name)

    @property
    def repo_key(self) -> str | None:
        return None if self.repo is None else self.repo.lower()


def _check_name(name: str) -> None:
    """Say of a filter what is said of an order, which spells the name of the value differently."""
    try:
        normalise_name(name)
    except RequestInvalid as error:
        raise RequestInvalid(error.detail.replace("image_name", "name", 1), field="name") from error
