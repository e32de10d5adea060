"""What crosses Temporal: ids, references and short texts, frozen, under 4 KiB. Fields are only added, with defaults."""

from datetime import timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.rules.build_lifecycle import BuildStatus, ClaimAnswer, Wish


class Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # older workers survive newer senders


class RequestedWish(Payload):
    """A wish that a signal brought and that is not on the row yet."""

    wish: Wish
    state_code: int | None = Field(default=None, description="for resume: where to go on; None: where it failed")


class WorkOrder(Payload):
    """What a run is started with, whatever it carries, and what it hands to the run that goes on from it."""

    version: int = 1
    stays_open: timedelta = Field(default=timedelta(days=14), description="how long a failed build waits for resume")
    parked: bool = Field(default=False, description="this run only waits")
    wishes: tuple[RequestedWish, ...] = Field(default=(), description="signalled to the run before, not on the row yet")


class ImageBuildOrder(WorkOrder):
    build_id: UUID
    generation: int = Field(description="which build of this name:tag; a newer one supersedes it")


class Claim(Payload):
    """A run asks for its build; (build, run) makes a repeat the same claim."""

    build_id: UUID
    generation: int
    run_id: str


class Checkpoint(Payload):
    """Where a build stands. Stages get it, and read what they need beyond it from the row by `build_id`."""

    build_id: UUID
    generation: int
    code: int = Field(description="the state to enter next")
    name: str = Field(description="of the build, for people")
    image: str = Field(description="name:tag that is being built")
    repo: str
    tag: str
    correlation_id: str
    priority: int = 3
    fairness_key: str = ""
    variables: dict[str, str] = Field(default_factory=dict, description="commit_sha, image_id, … as far as known")
    host_queue: str | None = Field(default=None, description="the light queue of the host that holds the image")


class Claimed(Payload):
    answer: ClaimAnswer
    build: Checkpoint | None = None
    stays_open: timedelta = Field(default=timedelta(0), description="what is left of the waiting time, for `park`")


class ArtifactReport(Payload):
    """Something that a state left and that a later run can go on from."""

    state_code: int
    name: str
    type: str
    path: str
    storage_backend: str
    size_bytes: int | None = None
    checksum: str | None = Field(default=None, description="sha256, hex")
    is_final: bool = False
    metadata: dict[str, str | int | None] = Field(default_factory=dict)


class StageOutcome(Payload):
    """What a stage leaves behind."""

    message: str = ""
    artifacts: tuple[ArtifactReport, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    host_queue: str | None = None
    back_to: int | None = Field(default=None, description="what an earlier state left is gone: go on from there again")
    notices: tuple[str, ...] = Field(default=(), description="sentences; what a person should know though it went on")


class FailureReport(Payload):
    message: str = Field(description="one sentence for people")
    code: str = Field(description="stable word; the failure's type in Temporal")
    component: str = Field(description="the stage's activity")
    is_retryable: bool = False
    failing_step: str | None = None
    exit_code: int | None = None


class StateReport(Payload):
    """The whole state of a build as its run knows it, not a difference: any one report repairs all that were lost."""

    build_id: UUID
    generation: int
    run_id: str = Field(
        description="Postgres hands out an epoch at its first sight; an older run's reports are refused"
    )
    seq: int = Field(description="counts the run's reports; an older one changes nothing")
    status: BuildStatus
    code: int
    message: str = ""
    artifacts: tuple[ArtifactReport, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    host_queue: str | None = None
    failure: FailureReport | None = None
    notices: tuple[str, ...] = ()


class RowView(Payload):
    """What the row says after a report: a run does what it reads here, whatever it hoped for."""

    status: BuildStatus
    is_current: bool = Field(description="False: a newer run or a newer build took over; this run ends")
    is_paused: bool = False
    is_cancel_wanted: bool = False
    must_claim: bool = Field(
        default=False, description="a run that never asked where the build stands, as after a reset: it goes on anew"
    )


class WishReport(Payload):
    build_id: UUID
    generation: int
    wish: RequestedWish
