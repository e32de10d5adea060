"""Reading images where there are very many: through the API, beside the bare SQL of the same rows."""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from api.border.cursors import cursor_of
from benchmarks.api_client import NotMeasurable
from benchmarks.measures.effort import Effort
from benchmarks.measures.million_rows import database_of_images
from benchmarks.stack import BenchStack
from benchmarks.table import Raw, Row, Series, limit_on
from models.repositories.image.reading import PageKey

_LIST_WITHIN = 50  # milliseconds
_GET_WITHIN = 20
_PAGE = 100
_WARM_UP = 30
_LONGEST_QUERY_SECONDS = 10
_IMAGES = "/api/v1/images"
_STATUSES = ("success", "failed")  # those of which there are many

_VIEW = """
    SELECT image.*, build.*, progress.*, execution.* FROM docker_images AS image
    JOIN builds AS build ON build.id = image.build_id
    LEFT JOIN build_progress AS progress ON progress.build_id = build.id
    LEFT JOIN build_executions AS execution ON execution.build_id = build.id AND execution.attempt = build.attempt
"""
_LIST = f"""
    WITH page AS MATERIALIZED (SELECT id FROM docker_images {{where}} ORDER BY created_at DESC, id DESC LIMIT {_PAGE})
    {_VIEW} JOIN page ON page.id = image.id ORDER BY image.created_at DESC, image.id DESC
"""
_GET = f"{_VIEW} WHERE image.id = $1"
_LOG = """
    SELECT data FROM log_chunks
    WHERE (execution, day) = (SELECT token, log_day FROM build_executions AS execution
        JOIN docker_images AS image USING (build_id) WHERE image.id = $1)
    ORDER BY from_byte
"""


@dataclass(frozen=True)
class Question:
    """One request, and the bare SQL of the same rows."""

    path: str
    parameters: dict[str, str]
    statements: Sequence[str]
    arguments: Sequence[Any] = ()


async def measure(bench: BenchStack, effort: Effort) -> list[Row]:
    async with AsyncExitStack() as running:
        await running.enter_async_context(bench.without("worker", "api"))
        url = await running.enter_async_context(database_of_images(bench.postgres, effort.images))
        http = await running.enter_async_context(bench.api_on(url))
        database = await asyncpg.connect(url, timeout=_LONGEST_QUERY_SECONDS, command_timeout=_LONGEST_QUERY_SECONDS)
        running.push_async_callback(database.close)
        questions, asker = _Questions(database, effort.images), _Asker(http, database, effort.requests)
        listed = f"list of {_PAGE} of {effort.images:,}"
        return [
            await asker.row(f"{listed}, newest", questions.newest, _LIST_WITHIN),
            await asker.row(f"{listed}, after a random cursor", questions.after_cursor, _LIST_WITHIN),
            await asker.row(f"{listed}, of one status", questions.of_one_status, _LIST_WITHIN),
            await asker.row(f"{listed}, of one repository", questions.of_one_repository, _LIST_WITHIN),
            await asker.row(f"{listed}, of one tag", questions.of_one_tag, _LIST_WITHIN),
            await asker.row(f"get one of {effort.images:,}, with its log", questions.one, _GET_WITHIN),
        ]


class _Questions:
    """Asks about images everywhere in the table, the same ones in each run."""

    def __init__(self, database: "asyncpg.Connection[asyncpg.Record]", images: int) -> None:
        self._database = database
        self._images = images
        self._chance = random.Random(1)

    async def newest(self) -> Question:
        return Question(_IMAGES, {}, (_LIST.format(where=""),))

    async def after_cursor(self) -> Question:
        place = await self._place()
        where = "WHERE (created_at, id) < ($1, $2)"
        cursor = {"cursor": cursor_of(place)}
        return Question(_IMAGES, cursor, (_LIST.format(where=where),), (place.created_at, place.image_id))

    async def of_one_status(self) -> Question:
        status, place = self._chance.choice(_STATUSES), await self._place()
        where = "WHERE build_status = $1 AND (created_at, id) < ($2, $3)"
        parameters = {"status_filter": status, "cursor": cursor_of(place)}
        arguments = (status, place.created_at, place.image_id)
        return Question(_IMAGES, parameters, (_LIST.format(where=where),), arguments)

    async def of_one_repository(self) -> Question:
        repo = await self._word("github_repo")
        where = "WHERE lower(github_repo) = $1"
        return Question(_IMAGES, {"repo": repo}, (_LIST.format(where=where),), (repo,))

    async def of_one_tag(self) -> Question:
        tag, place = await self._word("tag"), await self._place()
        where = "WHERE tag = $1 AND (created_at, id) < ($2, $3)"
        arguments = (tag, place.created_at, place.image_id)
        return Question(_IMAGES, {"tag": tag, "cursor": cursor_of(place)}, (_LIST.format(where=where),), arguments)

    async def one(self) -> Question:
        image_id = self._chance.randint(1, self._images)
        return Question(f"{_IMAGES}/{image_id}", {}, (_GET, _LOG), (image_id,))

    async def _word(self, column: str) -> str:
        image_id = self._chance.randint(1, self._images)
        word: str = await self._database.fetchval(f"SELECT {column} FROM docker_images WHERE id = $1", image_id)
        return word

    async def _place(self) -> PageKey:
        image_id = self._chance.randint(_PAGE + 1, self._images)
        created_at = await self._database.fetchval("SELECT created_at FROM docker_images WHERE id = $1", image_id)
        return PageKey(created_at, image_id)


class _Asker:
    """Asks the API and the database in turns."""

    def __init__(self, http: httpx.AsyncClient, database: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
        self._http = http
        self._database = database
        self._count = count

    async def row(self, what: str, ask: Callable[[], Awaitable[Question]], limit: float) -> Row:
        answered, raw = list[float](), list[float]()
        for number in range(_WARM_UP + self._count):
            question = await ask()
            took = await self._answered(question), await self._queried(question)
            if number >= _WARM_UP:
                answered.append(took[0])
                raw.append(took[1])
        series = Series("ms", answered)
        return Row(what, series, Raw("the bare SQL by asyncpg", Series("ms", raw)), limit_on(99, limit, series))

    async def _answered(self, question: Question) -> float:
        began = time.perf_counter()
        answer = await self._http.get(question.path, params=question.parameters)
        took = time.perf_counter() - began
        if not answer.is_success:
            raise NotMeasurable(f"GET {answer.request.url}: {answer.text[:300]}")
        return took * 1000

    async def _queried(self, question: Question) -> float:
        began = time.perf_counter()
        for statement in question.statements:
            await self._database.fetch(statement, *question.arguments)
        return (time.perf_counter() - began) * 1000
