"""All SQL of what a build leaves behind: its states, failures, artifacts and variables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.rules.build_payloads import ArtifactReport, FailureReport
from models.rules.identifiers import new_id
from models.tables.build import BuildArtifact, BuildFailure, BuildState, BuildVariable


class BuildTrailRepository:
    """The callers hold the build's row lock, so nothing here has to."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def enter(self, build_id: UUID, code: int, now: datetime, message: str | None = None) -> None:
        """Open a new attempt at a state; a state that is open already stays as it is."""
        tried = select(col(BuildState.attempt), col(BuildState.status)).where(
            col(BuildState.build_id) == build_id, col(BuildState.state_code) == code
        )
        last = (await self._session.execute(tried.order_by(col(BuildState.attempt).desc()).limit(1))).one_or_none()
        if last is not None and last.status == "in_progress":
            return
        values = {
            "id": new_id(),
            "build_id": build_id,
            "state_code": code,
            "attempt": last.attempt + 1 if last is not None else 1,
            "status": "in_progress",
            "message": message,
            "entered_at": now,
        }
        await self._session.execute(insert(BuildState.__table__), values)  # type: ignore[attr-defined]

    async def complete_through(self, build_id: UUID, code: int, now: datetime) -> None:
        """Complete every open state up to `code`."""
        await self._session.execute(
            update(BuildState)
            .where(
                col(BuildState.build_id) == build_id,
                col(BuildState.state_code) <= code,
                col(BuildState.status) == "in_progress",
            )
            .values(status="completed", completed_at=now)
            .execution_options(synchronize_session=False)
        )

    async def fail_open_states(self, build_id: UUID, now: datetime, message: str) -> None:
        await self._session.execute(
            update(BuildState)
            .where(col(BuildState.build_id) == build_id, col(BuildState.status) == "in_progress")
            .values(status="failed", completed_at=now, message=message)
            .execution_options(synchronize_session=False)
        )

    async def fail(self, build_id: UUID, code: int, failure: FailureReport, now: datetime) -> None:
        """Record a failure at a state: states below it were done, the state itself failed."""
        await self.complete_through(build_id, code - 1, now)
        await self.fail_open_states(build_id, now, failure.message)
        values = {
            "id": new_id(),
            "build_id": build_id,
            "state_code": code,
            "error_message": failure.message,
            "error_code": failure.code,
            "component": failure.component,
            "is_retryable": failure.is_retryable,
            "failing_step": failure.failing_step,
            "exit_code": failure.exit_code,
            "created_at": now,
        }
        await self._session.execute(insert(BuildFailure).values(**values))

    async def resolve_failures(self, build_id: UUID, now: datetime) -> None:
        await self._session.execute(
            update(BuildFailure)
            .where(col(BuildFailure.build_id) == build_id, col(BuildFailure.resolved_at).is_(None))
            .values(resolved_at=now)
            .execution_options(synchronize_session=False)
        )

    async def keep_artifacts(self, build_id: UUID, artifacts: tuple[ArtifactReport, ...], now: datetime) -> None:
        """Store the live artifacts of these names; a repeat changes what differs."""
        for artifact in artifacts:
            values: dict[str, Any] = {
                "state_code": artifact.state_code,
                "artifact_type": artifact.type,
                "artifact_path": artifact.path,
                "storage_backend": artifact.storage_backend,
                "size_bytes": artifact.size_bytes,
                "checksum": artifact.checksum,
                "checksum_algorithm": "sha256",
                "is_final": artifact.is_final,
                "metadata": artifact.metadata or None,
            }
            table = BuildArtifact.__table__  # type: ignore[attr-defined]
            stored = postgresql.insert(table).values(
                id=new_id(),
                build_id=build_id,
                artifact_name=artifact.name,
                is_resumable=True,
                created_at=now,
                updated_at=now,
                **values,
            )
            differs = tuple_(*(table.c[name] for name in values)).is_distinct_from(
                tuple_(*(stored.excluded[name] for name in values))
            )
            await self._session.execute(
                stored.on_conflict_do_update(
                    index_elements=["build_id", "artifact_name"],
                    index_where=table.c.deleted_at.is_(None),
                    set_=values | {"updated_at": now},
                    where=differs,
                )
            )

    async def keep_variables(self, build_id: UUID, state_code: int, variables: dict[str, str], now: datetime) -> None:
        """Store the variables; those that are there with the same value stay untouched."""
        if not variables:
            return
        stored = postgresql.insert(BuildVariable.__table__)  # type: ignore[attr-defined]
        changes = {name: stored.excluded[name] for name in ("variable_value", "set_at_state", "updated_at")}
        is_other = col(BuildVariable.variable_value) != stored.excluded["variable_value"]
        await self._session.execute(
            stored.on_conflict_do_update(constraint="build_variables_key", set_=changes, where=is_other),
            [
                {
                    "id": new_id(),
                    "build_id": build_id,
                    "variable_key": key,
                    "variable_value": value,
                    "variable_type": "string",
                    "set_at_state": state_code,
                    "is_sensitive": False,
                    "is_required_for_resume": False,
                    "created_at": now,
                    "updated_at": now,
                }
                for key, value in variables.items()
            ],
        )

    async def variables(self, build_id: UUID) -> dict[str, str]:
        """Return the variables that later states go on from, by key."""
        found = await self._session.execute(
            select(col(BuildVariable.variable_key), col(BuildVariable.variable_value))
            .where(col(BuildVariable.build_id) == build_id, col(BuildVariable.is_sensitive).is_(False))
            .order_by(col(BuildVariable.variable_key))
            .limit(100)
        )
        return dict(found.all())

    async def retry_state(self, build_id: UUID, code: int, now: datetime, why: str) -> None:
        """Begin another attempt at the open state: the last one was cut off."""
        await self._session.execute(
            update(BuildState)
            .where(
                col(BuildState.build_id) == build_id,
                col(BuildState.state_code) == code,
                col(BuildState.status) == "in_progress",
            )
            .values(status="failed", completed_at=now, message=why)
            .execution_options(synchronize_session=False)
        )
        await self.enter(build_id, code, now)
