"""What the health paths answer."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from api.border.moment import Moment


class Works(StrEnum):
    OK = "ok"
    FAILING = "failing"


class Health(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Part(StrEnum):
    DATABASE = "database"
    TEMPORAL = "temporal"
    ENGINE = "engine"
    WORKERS = "workers"


class LivenessAnswer(BaseModel):
    status: Literal["healthy"]
    timestamp: Moment
    version: str


class Component(BaseModel):
    name: Part
    status: Works
    latency_ms: float
    details: str = Field(description="for people: what was found, or what to do")


class ReadinessAnswer(BaseModel):
    status: Health = Field(description="the next two say the same, for existing clients")
    overall: Health
    overall_status: Health
    timestamp: Moment
    version: str
    instance: str | None = Field(description="who this installation is: the label of all it makes at engines")
    database: Works
    cache: Works = Field(description="whether this answer is as young as the clock says it should be")
    components: list[Component]
