"""Images as the API takes and shows them."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.config import JsonDict

from api.border.demand import IntegerFrom
from api.border.moment import Moment
from api.images.words import BuildArgs, CommitWord, FilePath, NameWord, RepoWord, SecretNames, TagWord, TargetWord, Word
from models.repositories.image.reading import ImageView
from models.rules.build_lifecycle import ImageStatus
from models.rules.image_order import ImageOrder

_EXAMPLE: JsonDict = {
    "repo": "demo/hello",
    "tag": "v1.0.0",
    "commit_sha": "3f786850e387550fdab836ed7e6dc881de23001b",
    "image_name": "hello",
}
_FULL_EXAMPLE: JsonDict = _EXAMPLE | {
    "image_name": "registry.example.com/team/hello",
    "dockerfile_path": "docker/Dockerfile",
    "context": ".",
    "build_args": {"GREETING": "hi"},
    "target": "runtime",
    "priority": 2,
    "third_party_id": "customer-7",
}


class ImageRequest(BaseModel):
    """What to build. Unknown keys are ignored; numbers are not taken for strings."""

    model_config = ConfigDict(strict=True, extra="ignore", json_schema_extra={"examples": [_EXAMPLE, _FULL_EXAMPLE]})

    repo: RepoWord = Field(description="`owner/name` at GitHub")
    tag: TagWord = Field(description="an existing tag of it, which also becomes the image's tag")
    commit_sha: CommitWord = Field(
        description="7 to 40 hex digits: the commit that the tag must name, or an annotated tag's own id"
    )
    image_name: NameWord = Field(description="name of the image, without tag or digest")
    dockerfile_path: FilePath | None = Field(
        default=None,
        description="path from the top of the repository, also where a `context` is given; `Dockerfile` by default",
    )
    context: FilePath | None = Field(
        default=None,
        description="folder of the repository that the Dockerfile copies from, `.` for its root; the Dockerfile's own"
        " folder by default. With `docker/Dockerfile` and `.` this is `docker build -f docker/Dockerfile .`",
    )
    build_args: BuildArgs | None = Field(
        default=None,
        description="values for the Dockerfile's ARGs: up to 100, whose names are letters, digits and `_`, up to 100"
        " characters, and do not begin with a digit; values are up to 4096 characters without NUL, all names and"
        " values together up to 65536",
    )
    target: TargetWord | None = Field(default=None, description="stage of the Dockerfile to build")
    secrets: SecretNames | None = Field(
        default=None,
        description="names of secrets that steps may mount (`RUN --mount=type=secret,id=<name>`), up to 20; their files"
        " are named on the builder host in SLIPWAY_BUILD_SECRETS, and a build fails where one is missing",
    )
    force_rebuild: bool | None = Field(default=None, description="build again what is in success; false by default")
    priority: Annotated[int, IntegerFrom(1, 5)] | None = Field(
        default=None, description="1 first, 5 last; 3 by default"
    )
    third_party_id: Word | None = Field(default=None, description="for whom; builders are shared fairly between these")
    parser_id: Word | None = None
    project_id: Word | None = Field(default=None, description="UUID, slug or name of an active project")

    def order(self) -> ImageOrder:
        """Return the checked order; a missing key and an explicit null are alike. Raises RequestInvalid."""
        given = self.model_dump(exclude_none=True, exclude={"secrets", "project_id"})
        return ImageOrder(**given, secrets=tuple(self.secrets or ()), project=self.project_id)


class ProgressAnswer(BaseModel):
    step: int = Field(ge=1)
    steps: int = Field(ge=1)
    text: str = Field(examples=["step 3 of 12"])


_BUILDING: JsonDict = {
    "id": 7,
    "name": "hello",
    "tag": "v1.0.0",
    "github_repo": "demo/hello",
    "github_ref": "refs/tags/v1.0.0",
    "commit_sha": "3f786850e387550fdab836ed7e6dc881de23001b",
    "build_status": "building",
    "build_log": "Step 1/3 : FROM busybox:1.36\n",
    "build_error": None,
    "built_at": None,
    "created_at": "2026-01-02T10:00:00.123456Z",
    "build_id": "01a1fe26-7c4d-72f1-a234-0f9edc927c1c",
    "build_name": "build-hello-v1.0.0-dc927c1c",
    "attempt": 1,
    "digest": None,
    "image_uri": None,
    "docker_image_id": None,
    "size_bytes": None,
    "progress": {"step": 1, "steps": 3, "text": "step 1 of 3"},
    "waits_for": None,
    "duration": None,
    "log_notice": None,
    "notices": [
        "Git LFS: 2 files are pointers, not the contents GitHub shows: 'models/a.bin', 'models/b.bin'.",
    ],
    "cancel_requested_at": None,
    "revoked_at": None,
    "workflow_id": "image-build/hello:v1.0.0/1",
}
_BUILT: JsonDict = _BUILDING | {
    "build_status": "success",
    "build_log": "Step 1/3 : FROM busybox:1.36\nStep 2/3 : COPY www /www\nStep 3/3 : RUN sh /www/check.sh\n",
    "built_at": "2026-01-02T10:00:41.654321Z",
    "image_uri": "hello:v1.0.0",
    "docker_image_id": "sha256:5a3d6c4c8d5a7b0e9f1c2d3e4f5061728394a5b6c7d8e9f00112233445566778",
    "size_bytes": 4401234,
    "progress": {"step": 3, "steps": 3, "text": "step 3 of 3"},
    "duration": 40.6,
}


class ImageAnswer(BaseModel):
    """An image and its newest build. A field is null until it is known."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BUILDING, _BUILT]})

    id: int
    name: str = Field(description="as it was asked for")
    tag: str
    github_repo: str
    github_ref: str = Field(examples=["refs/tags/v1.0.0"])
    commit_sha: str = Field(description="as asked for; the full sha once the tag is resolved")
    build_status: ImageStatus = Field(description="failed includes cancelled")
    build_log: str | None = Field(description="see each path")
    build_error: str | None
    built_at: Moment | None = Field(description="set only on success")
    created_at: Moment
    build_id: UUID
    build_name: str
    attempt: int = Field(description="how many times a builder began this build")
    digest: str | None = Field(description="null without a registry")
    image_uri: str | None
    docker_image_id: str | None
    size_bytes: int | None
    progress: ProgressAnswer | None
    waits_for: str | None = Field(
        description="what an open build waits for, as a sentence for people: a slot, with its place in the queue;"
        " GitHub, the Docker engine or a registry that does not answer, why, and when the next try is; an unpause."
        " Null while it works, and once it has ended",
        examples=["A free slot on a builder: this build is number 3 in the queue."],
    )
    duration: float | None = Field(description="seconds from the build's start to its end")
    log_notice: str | None = Field(description="what of the log the engine clipped or lost")
    notices: list[str] = Field(
        description="sentences: what a person should know of this build, though it went on. Git LFS pointers, empty"
        " submodules and files left out by `export-ignore` in its context, what the engine could not be kept from, a"
        " clipped log"
    )
    cancel_requested_at: Moment | None
    revoked_at: Moment | None
    workflow_id: str = Field(description="where the build is found in Temporal")

    @classmethod
    def of(cls, view: ImageView, build_log: str | None) -> "ImageAnswer":
        image, build = view.image, view.build
        return cls(
            id=image.id or 0,
            name=image.name,
            tag=image.tag,
            github_repo=image.github_repo,
            github_ref=image.github_ref,
            commit_sha=image.commit_sha,
            build_status=ImageStatus(image.build_status),
            build_log=build_log,
            build_error=image.build_error,
            built_at=image.built_at,
            created_at=image.created_at,
            build_id=build.id,
            build_name=build.name,
            attempt=build.attempt,
            digest=image.digest,
            image_uri=image.image_uri,
            docker_image_id=image.docker_image_id,
            size_bytes=image.size_bytes,
            progress=_progress(view),
            waits_for=view.waits_for,
            duration=_duration(view),
            log_notice=view.execution.log_loss if view.execution is not None else None,
            notices=view.notices,
            cancel_requested_at=build.cancel_requested_at,
            revoked_at=image.revoked_at,
            workflow_id=view.workflow_id,
        )


_IMAGES = TypeAdapter(list[ImageAnswer])


def images_json(views: Sequence[ImageView]) -> bytes:
    """Return a page of images as JSON; logs are the last lines."""
    return _IMAGES.dump_json([ImageAnswer.of(view, view.last_lines) for view in views])


def _progress(view: ImageView) -> ProgressAnswer | None:
    progress = view.progress
    if progress is None or progress.attempt != view.build.attempt or progress.steps == 0:
        return None
    text = f"step {progress.step} of {progress.steps}"
    return ProgressAnswer(step=progress.step, steps=progress.steps, text=text)


def _duration(view: ImageView) -> float | None:
    started, completed = view.build.started_at, view.build.completed_at
    return None if started is None or completed is None else (completed - started).total_seconds()
