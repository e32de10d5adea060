"""Images: ordering one, which starts a build, and reading them."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.border.conditional import CHANGED, UNCHANGED, check_conditions, is_conditional
from api.border.cursors import cursor_of, place_of
from api.border.demand import IntegerFrom
from api.border.idempotency import HEADER_PARAMETER, JSON, KeepingRoute
from api.border.problems import answers
from api.border.routing import readable
from api.commands import carry_out
from api.described_headers import header
from api.image_id import ImageId
from api.images.github_tags import MOST_TAGS
from api.images.parameters import DEFAULT_PAGE, Cursor, Limit, ListedImages, LogLines, Wait, listed_images
from api.images.reading import SETTLED, image_answer, read_image
from api.images.schemas import ImageAnswer, ImageRequest, images_json
from api.images.tag_schemas import TagsAnswer
from api.images.words import RepoWord
from api.parts import Api, Asker, UsableApi
from api.paths import IMAGES, image_path
from models.postgres.database import Session
from models.repositories.idempotency import KeptAnswer
from models.repositories.image.orders import ImageOrders
from models.repositories.image.reading import ImageReading, PageKey
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.request import (
    BodyTooLarge,
    ContentEncodingUnsupported,
    CrossOriginWrite,
    IdempotencyKeyReused,
    ImageExists,
    ImageInUse,
    ImageNotFound,
    MediaTypeUnsupported,
    QueueFull,
    RequestInvalid,
)
from models.rules.errors.source import (
    RepositoryNotFound,
    SourceHostDenied,
    SourceHostRateLimited,
    SourceHostUnreachable,
    SourceHostWrong,
)
from models.rules.image_filter import ImageFilter
from models.rules.run_contract import WorkKey, build_key

_ALWAYS = answers(RequestInvalid, *DATABASE_AWAY)

router = APIRouter(prefix=IMAGES, tags=["Images"], route_class=KeepingRoute)


@router.post(
    "",
    status_code=201,
    response_model=ImageAnswer,
    summary="Build a GitHub tag into an image",
    openapi_extra={"parameters": [HEADER_PARAMETER]},
    responses={
        200: {"model": ImageAnswer, "description": "With `wait`: the build has settled"},
        **CHANGED,
        **answers(
            RequestInvalid,
            IdempotencyKeyReused,
            ImageExists,
            QueueFull,
            *DATABASE_AWAY,
            CrossOriginWrite,
            BodyTooLarge,
            MediaTypeUnsupported,
            ContentEncodingUnsupported,
        ),
    },
)
async def order_image(request: Request, ordered: ImageRequest, api: UsableApi, who: Asker, wait: Wait = 0) -> Response:
    """Start a build. (name, tag) is unique: 409 while its image is pending, building or in success.

    The refusal's members `image_id`, `build_id` and `build_status` name that image, and Location leads to it.
    When that failed, or with `force_rebuild` on a success, the row is reused with a new build. `Idempotency-Key` makes
    a repeat get the first answer for 24 hours. Builds are taken while Temporal is down, and start when it is back.
    """

    async def order(session: Session) -> KeptAnswer:
        listed = await _first_page(session) if is_conditional(request.headers) else None
        image_id, build_id = await ImageOrders(session).order(
            ordered.order(),
            queue_limit=api.given.queue_limit,
            actor=who.name,
            correlation_id=request.state.correlation_id,
        )
        if listed is not None:
            check_conditions(request.headers, listed)
        body = ImageAnswer.of(await ImageReading(session).view(image_id), None).model_dump_json().encode()
        return KeptAnswer(HTTPStatus.CREATED, JSON, body, image_path(image_id), build_key(build_id))

    return await carry_out(request, api, who, order, wait=wait, until=partial(_build_settles, request, api))


async def _first_page(session: Session) -> bytes:
    """Return what a GET of the list answers, which is what conditions of a POST to it are about."""
    return images_json(await ImageReading(session).page(ImageFilter(), None, DEFAULT_PAGE))


async def _build_settles(request: Request, api: Api, build: WorkKey, seconds: int) -> tuple[bool, bytes]:
    """Wait for a build's end; raise ImageNotFound when its image is deleted meanwhile."""
    build_id = UUID(build.id)
    async with api.given.requests.transaction() as session:
        image_id = await ImageReading(session).id_of(build_id)
    await api.waiting.until_settled(image_id, build_id, seconds, request.is_disconnected)
    image = await read_image(image_id, api.given.requests, api.logs)
    return image.build_status in SETTLED, image.model_dump_json().encode()


@readable(
    router,
    "",
    response_model=list[ImageAnswer],
    summary="List images, newest first",
    responses={200: {"headers": header("Link")}, **UNCHANGED, **_ALWAYS},
)
async def list_images(
    api: UsableApi,
    wanted: Annotated[ListedImages, Depends(listed_images)],
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor | None = None,
) -> Response:
    """`build_log` is the last line while building, the tail when failed, else null.

    Filters add up. Link leads to the next page of the same list, while there is one.
    """
    after = place_of(cursor) if cursor else None
    async with api.given.requests.transaction() as session:
        views = await ImageReading(session).page(wanted.filter, after, limit + 1)
    page, headers = views[:limit], {}
    if len(views) > limit:
        last = page[-1].image
        place = cursor_of(PageKey(last.created_at, last.id or 0))
        following = urlencode({"cursor": place, "limit": limit, **wanted.given})
        headers["Link"] = f'<{IMAGES}?{following}>; rel="next"'
    return Response(images_json(page), media_type=JSON, headers=headers)


@readable(
    router,
    "/github-tags",
    response_model=TagsAnswer,
    summary="List a repository's tags",
    responses={
        **UNCHANGED,
        **_ALWAYS,
        **answers(
            RepositoryNotFound,
            SourceHostRateLimited,
            SourceHostUnreachable,
            SourceHostWrong,
            SourceHostDenied,
        ),
    },
)
async def list_github_tags(
    api: UsableApi,
    repo: Annotated[RepoWord, Query(max_length=200, description="`owner/name`", examples=["demo/hello"])],
    limit: Annotated[int, IntegerFrom(1), Query(description="more than 1000 is cut to 1000")] = 100,
) -> Response:
    """By version, highest first, then by name. Details of a commit are null until they were asked for once."""
    found = await api.github_tags.page(repo, min(limit, MOST_TAGS))
    return Response(found.model_dump_json(), media_type=JSON)


@readable(
    router,
    "/{image_id}",
    response_model=ImageAnswer,
    summary="Show an image",
    responses={**UNCHANGED, **_ALWAYS, **answers(ImageNotFound)},
)
async def show_image(
    request: Request,
    image_id: ImageId,
    api: UsableApi,
    wait: Wait = 0,
    log_lines: Annotated[LogLines | None, Query(description="only so many last lines")] = None,
) -> Response:
    """`build_log` is the newest attempt's log: all of it up to 1 MiB, beyond that the last 1 MiB behind a notice."""
    image = await read_image(image_id, api.given.requests, api.logs, lines=log_lines)
    if wait and image.build_status not in SETTLED:
        await api.waiting.until_settled(image_id, image.build_id, wait, request.is_disconnected)
        image = await read_image(image_id, api.given.requests, api.logs, lines=log_lines)
    return Response(image.model_dump_json(), media_type=JSON)


@router.delete(
    "/{image_id}",
    status_code=204,
    summary="Remove an image's record",
    responses={**CHANGED, **_ALWAYS, **answers(ImageNotFound, ImageInUse, CrossOriginWrite)},
)
async def delete_image(request: Request, image_id: ImageId, api: UsableApi, who: Asker) -> Response:
    """Never the Docker image itself. A failed build of it that waits to be resumed is closed.

    `If-Match` with the ETag of the image as you read it lets nobody's change in between be lost.
    """
    async with api.given.requests.transaction() as session:
        orders = ImageOrders(session)
        await orders.lock(image_id)
        build_id = (await ImageReading(session).view(image_id)).build.id
        seen = await image_answer(image_id, session, api.logs) if is_conditional(request.headers) else None
        await orders.delete(image_id, who.name)
        if seen is not None:
            check_conditions(request.headers, seen.model_dump_json().encode())  # raises: then all of this is undone
    api.gateway.deliver_soon(build_key(build_id))
    return Response(status_code=204)
