import asyncio
from datetime import timedelta

import pytest

from models.postgres.database import Database
from models.repositories.idempotency import IdempotencyRepository, KeptAnswer, RequestKey
from models.rules.errors.request import IdempotencyKeyReused
from tests.support.builds.stored_builds import StoredBuilds

REQUEST = RequestKey(caller="anonymous", path="/api/v1/images", key="k-1", body_sha256="ab" * 32)
ANSWER = KeptAnswer(201, "application/json", b'{"id": 1}')


class Service:
    """Does a deed once per key, as the API does; counts how often it was done."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.deeds = 0
        self.has_begun = asyncio.Event()
        self.may_fail = asyncio.Event()

    async def ask(self, request: RequestKey, *, fails: bool = False) -> KeptAnswer:
        async with self._database.transaction() as session:
            keys = IdempotencyRepository(session)
            kept = await keys.lock_or_recall(request)
            if kept is not None:
                return kept
            if fails:
                self.has_begun.set()
                await self.may_fail.wait()
                raise RuntimeError("the process died in mid-deed")
            self.deeds += 1
            answer = KeptAnswer(201, "application/json", b'{"id": %d}' % self.deeds)
            await keys.keep(request, answer)
            return answer

    async def forget_old(self) -> int:
        async with self._database.transaction() as session:
            return await IdempotencyRepository(session).forget_old(1000)


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


async def grow_old(builds: StoredBuilds, age: timedelta) -> None:
    await builds.fetch("UPDATE idempotency_keys SET created_at = now() - CAST(:age AS interval) RETURNING key", age=age)


async def test_a_repeat_gets_the_first_answer(service: Service) -> None:
    assert [await service.ask(REQUEST) for _ask in range(3)] == [ANSWER] * 3
    assert service.deeds == 1


async def test_a_hundred_repeats_at_once_do_the_deed_once(service: Service) -> None:
    answers = await asyncio.gather(*(service.ask(REQUEST) for _ask in range(100)))
    assert answers == [ANSWER] * 100
    assert service.deeds == 1


async def test_a_key_with_another_body_is_refused(service: Service) -> None:
    await service.ask(REQUEST)
    other = RequestKey(REQUEST.caller, REQUEST.path, REQUEST.key, "cd" * 32)
    with pytest.raises(IdempotencyKeyReused, match="another body"):
        await service.ask(other)


@pytest.mark.parametrize("changed", ["caller", "path", "key"])
async def test_a_key_belongs_to_its_caller_and_path(service: Service, changed: str) -> None:
    fields = {"caller": REQUEST.caller, "path": REQUEST.path, "key": REQUEST.key, "body_sha256": REQUEST.body_sha256}
    await service.ask(REQUEST)
    await service.ask(RequestKey(**(fields | {changed: "another"})))
    assert service.deeds == 2


async def test_who_waits_for_a_deed_that_fails_does_it_himself(service: Service) -> None:
    failing = asyncio.create_task(service.ask(REQUEST, fails=True))
    await service.has_begun.wait()
    waiting = [asyncio.create_task(service.ask(REQUEST)) for _ask in range(10)]
    service.may_fail.set()
    assert await asyncio.gather(*waiting) == [ANSWER] * 10
    assert service.deeds == 1
    with pytest.raises(RuntimeError, match="mid-deed"):
        await failing


async def test_an_answer_is_kept_for_a_day(service: Service, builds: StoredBuilds) -> None:
    await service.ask(REQUEST)
    await grow_old(builds, timedelta(hours=23, minutes=59))
    await service.ask(REQUEST)
    assert (await service.forget_old(), service.deeds) == (0, 1)
    await grow_old(builds, timedelta(hours=24, minutes=1))
    await service.ask(REQUEST)
    assert service.deeds == 2


async def test_old_keys_are_forgotten(service: Service, builds: StoredBuilds) -> None:
    await service.ask(REQUEST)
    await grow_old(builds, timedelta(days=2))
    assert (await service.forget_old(), await service.forget_old()) == (1, 0)
