"""Tags of a repository, as the API shows them."""

from pydantic import BaseModel, Field

from api.border.moment import Moment


class TagCommit(BaseModel):
    """The commit that a tag names; date, author and message are null until they were asked for."""

    sha: str
    url: str
    date: Moment | None = None
    author: str | None = None
    message: str | None = None


class TagAnswer(BaseModel):
    name: str
    commit: TagCommit
    zipball_url: str
    tarball_url: str


class TagsAnswer(BaseModel):
    tags: list[TagAnswer] = Field(
        description="by version as SemVer orders them, the highest first, whatever stands before it (`v`, `name-`);"
        " dates and other names after them, the newest first; what is equal in this by name"
    )
    truncated: bool = Field(description="whether the repository has more tags than these, all of them lower")
