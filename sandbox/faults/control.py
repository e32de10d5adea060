"""The sandbox's own routes, below `/_sandbox`: faults to switch, uploads to serve, requests to look at."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from sandbox.faults.faults import Fault, FaultBoard, FaultOrder
from sandbox.github.tarballs import TarballRefused, Tarballs
from sandbox.request_log import RequestLog, RequestSeen


class FaultInForce(BaseModel):
    id: int
    order: FaultOrder
    used: int = Field(description="requests that met it so far")

    @classmethod
    def of(cls, fault: Fault) -> "FaultInForce":
        return cls(id=fault.id, order=fault.order, used=fault.used)


class FaultList(BaseModel):
    faults: list[FaultInForce]


class RequestList(BaseModel):
    requests: list[RequestSeen]


class Upload(BaseModel):
    name: str
    size_bytes: int


class Health(BaseModel):
    status: str = "ok"


class Control:
    """What these routes work on."""

    def __init__(self, board: FaultBoard, tarballs: Tarballs, log: RequestLog) -> None:
        self.board = board
        self.tarballs = tarballs
        self.log = log

    def faults(self) -> FaultList:
        return FaultList(faults=[FaultInForce.of(each) for each in self.board.faults])

    def tarball_of(self, order: FaultOrder) -> Path | None:
        tarball = self.tarballs.find(order.tarball) if order.tarball is not None else None
        if order.tarball is not None and tarball is None:
            raise HTTPException(422, f"there is no upload and no file {order.tarball!r}; PUT it to /_sandbox/tarballs/")
        return tarball


def _control(request: Request) -> Control:
    control = request.app.state.control
    assert isinstance(control, Control)
    return control


Controls = Annotated[Control, Depends(_control)]

router = APIRouter(prefix="/_sandbox", tags=["sandbox"])


@router.get("/health")
def health() -> Health:
    return Health()


@router.get("/faults")
def list_faults(control: Controls) -> FaultList:
    """List the faults in force, the oldest first: of those that match a request it meets the first."""
    return control.faults()


@router.post("/faults", status_code=201)
def add_fault(control: Controls, order: FaultOrder) -> FaultInForce:
    """Add one fault to those in force."""
    return FaultInForce.of(control.board.add(order, control.tarball_of(order)))


@router.put("/faults")
def replace_faults(control: Controls, orders: list[FaultOrder]) -> FaultList:
    """Put these faults in the place of all that are in force; when one of them is wrong, nothing changes."""
    found = [(order, control.tarball_of(order)) for order in orders]
    control.board.clear()
    for order, tarball in found:
        control.board.add(order, tarball)
    return control.faults()


@router.delete("/faults", status_code=204)
def clear_faults(control: Controls) -> None:
    control.board.clear()


@router.put("/tarballs/{name}", status_code=201)
async def upload_tarball(request: Request, control: Controls, name: str) -> Upload:
    """Keep the body as a file that a fault may serve as the tarball; a repeat replaces it."""
    try:
        return Upload(name=name, size_bytes=await control.tarballs.keep(name, request.stream()))
    except TarballRefused as refused:
        raise HTTPException(422, str(refused)) from refused


@router.get("/requests")
def list_requests(control: Controls) -> RequestList:
    """List the newest 1000 requests to the API and the download host, the oldest first."""
    return RequestList(requests=list(control.log.requests))


@router.delete("/requests", status_code=204)
def forget_requests(control: Controls) -> None:
    control.log.requests.clear()
