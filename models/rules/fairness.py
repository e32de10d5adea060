"""Who shares the builders with whom. Pure."""

from uuid import UUID


def fairness_key(third_party_id: str | None, project_id: UUID | None, repo: str | None) -> str:
    """Who shares the builders fairly with whom: contract.md §3, last line. Temporal takes 64 bytes at most."""
    key = third_party_id or (str(project_id) if project_id is not None else None) or repo or ""
    return key.encode()[:64].decode(errors="ignore")
