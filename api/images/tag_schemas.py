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
    tags: list[TagAnswer] = Field(description="by version, highest first; what is no version comes after, by name")
