"""What the health paths answer."""

from pydantic import BaseModel, Field

from api.border.moment import Moment


class LivenessAnswer(BaseModel):
    status: str = Field(examples=["healthy"])
    timestamp: Moment
    version: str


class Component(BaseModel):
    name: str = Field(description="database, temporal, engine or workers")
    status: str = Field(description="ok or failing")
    latency_ms: float
    details: str = Field(description="for people: what was found, or what to do")


class ReadinessAnswer(BaseModel):
    status: str = Field(description="healthy or unhealthy; the next two say the same, for existing clients")
    overall: str
    overall_status: str
    timestamp: Moment
    version: str
    instance: str | None = Field(description="who this installation is: the label of all it makes at engines")
    database: str = Field(description="ok or failing")
    cache: str = Field(description="ok or failing: whether this answer is as young as the clock says it should be")
    components: list[Component]
