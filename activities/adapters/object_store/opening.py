"""Which object store a process of ours uses, as its settings say."""

from collections.abc import Mapping
from pathlib import Path

from activities.adapters.object_store.local import LocalStore
from activities.adapters.object_store.remote import RemoteStore
from activities.ports.object_store import ObjectStore


async def open_store(url: str | None, options: Mapping[str, str], folder: Path) -> ObjectStore:
    """Return the shared store at `url`, or this host's own in `folder`. Raises StorageRefused."""
    if url is not None:
        return RemoteStore(url, options)
    store = LocalStore(folder)
    await store.sweep()
    return store
