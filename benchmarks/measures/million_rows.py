"""A database as it looks after a million images: each with its build, its execution and an ordinary log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from models.postgres.database import Database
from models.repositories.log.days import LogDays
from models.rules.log_chunk import squeeze
from standalone.free_ports import LOOPBACK
from standalone.servers.postgres import EmbeddedPostgres, password

OPEN_IMAGES = 100  # the newest: half of them building, half pending; one in twelve of the others failed

_DATABASE = "bench_lists"
_PATIENCE_SECONDS = 300
LOG = "".join(
    f"Step {step}/4 : {command}\n" + "".join(f"unit {unit:02} of 12: ok\n" for unit in range(1, 13))
    for step, command in enumerate(("FROM busybox:1.36", "COPY . .", "RUN make", "RUN make check"), start=1)
).encode()

# Ids are like UUIDv7: ordered by time, random at their end.
_SEED = """
    CREATE UNLOGGED TABLE seed AS
    SELECT g::integer AS id, md5(g::text) AS random, 'team/app-' || lpad((g / 50)::text, 6, '0') AS name,
        'v1.' || lpad((g % 50)::text, 2, '0') AS tag,
        (lpad(to_hex(1760000000000 + g), 12, '0') || '7' || left(md5(g::text), 3)
            || 'b' || right(md5(g::text), 15))::uuid AS build_id,
        date_trunc('second', now()) - (last - g) * interval '2.5 seconds' AS created_at,
        CASE WHEN g > last - 50 THEN 'building' WHEN g > last - 100 THEN 'pending'
            WHEN g % 12 = 0 THEN 'failed' ELSE 'success' END AS status
    FROM (SELECT $1::integer AS last) AS most, generate_series(1, last) AS g
"""
_IMAGES = """
    INSERT INTO docker_images (id, name, name_key, tag, github_repo, github_ref, commit_sha, build_status, build_error,
        built_at, created_at, build_id, image_uri, docker_image_id, size_bytes)
    SELECT id, name, name, tag, name, 'refs/tags/' || tag, random || left(random, 8), status,
        CASE status WHEN 'failed' THEN 'Docker build failed: exit code 1 in RUN make check' END,
        CASE status WHEN 'success' THEN created_at + interval '40 seconds' END, created_at, build_id,
        CASE status WHEN 'success' THEN name || ':' || tag END,
        CASE status WHEN 'success' THEN 'sha256:' || random || random END,
        CASE status WHEN 'success' THEN 20000000 + id END
    FROM seed ORDER BY id
"""
_BUILDS = """
    INSERT INTO builds (id, name, kind, created_at, created_by, correlation_id, priority, image_name, image_tag,
        generation, repo, wanted_commit, dockerfile_path, build_args, paused, status, current_state, attempt, image_id,
        started_at, completed_at, error, commit_sha, epoch, seq)
    SELECT build_id, 'build-' || replace(name, '/', '-') || '-' || tag || '-' || right(random, 8), 'image', created_at,
        'anonymous', random, 3, name, tag, 1, name, left(random, 12), 'Dockerfile', '{}', false,
        CASE status WHEN 'success' THEN 'succeeded' WHEN 'building' THEN 'running' ELSE status END,
        CASE status WHEN 'success' THEN 100 WHEN 'pending' THEN 0 ELSE 40 END,
        CASE status WHEN 'pending' THEN 0 ELSE 1 END, id,
        CASE WHEN status <> 'pending' THEN created_at + interval '1 second' END,
        CASE WHEN status IN ('success', 'failed') THEN created_at + interval '40 seconds' END,
        CASE status WHEN 'failed' THEN 'Docker build failed: exit code 1 in RUN make check' END,
        random || left(random, 8), 1, 9
    FROM seed ORDER BY id
"""
_EXECUTIONS = """
    INSERT INTO build_executions (token, build_id, attempt, builder, lease_until, started_at, ended_at, outcome,
        docker_image_id, log_day, log_bytes, log_tail, log_key, log_sha256)
    OVERRIDING SYSTEM VALUE
    SELECT id, build_id, 1, 'bench', created_at + interval '1 hour', created_at + interval '2 seconds',
        CASE WHEN has_ended THEN created_at + interval '39 seconds' END,
        CASE status WHEN 'success' THEN 'succeeded' WHEN 'failed' THEN 'failed' END,
        CASE status WHEN 'success' THEN 'sha256:' || random || random END, current_date,
        CASE WHEN has_ended THEN length($1::text) END, CASE WHEN has_ended THEN $1::text END,
        CASE WHEN has_ended THEN 'log/' || build_id || '/1' END, CASE WHEN has_ended THEN random || random END
    FROM (SELECT *, status IN ('success', 'failed') AS has_ended FROM seed WHERE status <> 'pending') AS begun
    ORDER BY id
"""
_LOGS = """
    INSERT INTO log_chunks (execution, from_byte, day, size_bytes, data)
    SELECT id, 0, current_date, $1::integer, $2::bytea FROM seed WHERE status <> 'pending' ORDER BY id
"""
_PROGRESS = """
    INSERT INTO build_progress (build_id, attempt, step, steps, last_line)
    SELECT build_id, 1, 3, 4, 'unit 07 of 12: ok' FROM seed WHERE status = 'building'
"""
_BUILDER = """
    INSERT INTO builders (name, incarnation, slots, is_limited, seen_at) VALUES ('bench', gen_random_uuid(), 2, false,
        now() - interval '1 hour')
"""
_FILLED = ("docker_images", "builds", "build_executions", "log_chunks", "build_progress")


@asynccontextmanager
async def database_of_images(server: EmbeddedPostgres, images: int) -> AsyncIterator[str]:
    """Yield the URL of a database with so many images, numbered from 1, the newest last; it is dropped afterwards.

    Every attempt has its log as stored bytes, as within the time that logs are kept.
    """
    url = await server.create_database(_DATABASE)
    try:
        database = Database(url, pool_size=1)
        await database.migrate()
        async with database.transaction() as session:
            await LogDays(session).prepare()
        await database.close()
        await _fill(server, images)
        yield url
    finally:
        await _execute(server, f'DROP DATABASE "{_DATABASE}" WITH (FORCE)', database="postgres")


async def _fill(server: EmbeddedPostgres, images: int) -> None:
    await _execute(server, _SEED, images)
    await _execute(server, _BUILDER)
    await asyncio.gather(
        _execute(server, _IMAGES),
        _execute(server, _BUILDS),
        _execute(server, _EXECUTIONS, LOG.decode()),
        _execute(server, _LOGS, len(LOG), squeeze(LOG)),
        _execute(server, _PROGRESS),
    )
    await _execute(server, "DROP TABLE seed")
    # as it is some time later: rows that all have seen, and a planner that knows what it has
    await asyncio.gather(*(_execute(server, f"VACUUM (ANALYZE) {table}") for table in _FILLED))
    await _execute(server, "CHECKPOINT")


async def _execute(server: EmbeddedPostgres, statement: str, *arguments: object, database: str = _DATABASE) -> None:
    """Run one statement as the server's superuser, who may leave foreign keys unchecked."""
    admin = await asyncpg.connect(
        host=LOOPBACK,
        port=server.port,
        user="postgres",
        password=password(server.data_dir),
        database=database,
        timeout=_PATIENCE_SECONDS,
        command_timeout=_PATIENCE_SECONDS,
        server_settings={"session_replication_role": "replica", "synchronous_commit": "off"},
    )
    try:
        await admin.execute(statement, *arguments)
    finally:
        await admin.close()
