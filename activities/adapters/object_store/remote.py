"""An object store that every host shares: S3 and what speaks like it, Azure, Google, or a file system of all."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import from_url

from activities.adapters.object_store.keys import parts_of
from activities.disk import writing_below
from models.rules.errors.storage import StorageRefused, StorageUnreachable

_BACKENDS = {
    "s3": "s3",
    "s3a": "s3",
    "az": "azure_blob",
    "adl": "azure_blob",
    "azure": "azure_blob",
    "abfs": "azure_blob",
    "abfss": "azure_blob",
    "gs": "gcp_storage",
    "file": "nfs",  # a folder that is shared is mounted
    "memory": "memory",
}
_CONNECT = timedelta(seconds=5)
_REQUEST = timedelta(minutes=5)  # one part of a put, or the whole of a get
_TRIES_FOR = timedelta(seconds=20)  # by the library itself; who calls decides about longer outages
_MOST_TRIES = 4
_CHUNK_BYTES = 1024 * 1024
# what the store says of the call itself: another try would be answered in the same way
_WRONG = (
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
    exceptions.UnknownConfigurationKeyError,
    exceptions.NotSupportedError,
    exceptions.InvalidPathError,
)


class RemoteStore:
    """An ObjectStore by a URL such as `s3://bucket/prefix`; `options` are the library's own names of its settings.

    Raises StorageRefused for a URL or options that no store is made of.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        scheme = url.partition(":")[0].lower()
        if scheme not in _BACKENDS:
            known = ", ".join(sorted(_BACKENDS))
            raise StorageRefused(f"No object store is known by '{scheme}:'; SLIPWAY_OBJECT_STORE begins with {known}.")
        self.backend = _BACKENDS[scheme]
        self._place = url
        remote: dict[str, Any] = {}
        if scheme not in {"file", "memory"}:
            remote = {
                "config": dict(options),
                "client_options": {"timeout": _REQUEST, "connect_timeout": _CONNECT, "allow_http": True},
                "retry_config": {"max_retries": _MOST_TRIES, "retry_timeout": _TRIES_FOR},
            }
        if scheme == "file":
            remote = {"mkdir": True}
        try:
            self._store = from_url(url, **remote)
        except (exceptions.BaseError, ValueError, TypeError) as error:
            raise StorageRefused(f"SLIPWAY_OBJECT_STORE or its options are wrong: {_first_line(error)}") from error

    async def put_file(self, key: str, path: Path) -> None:
        name = "/".join(parts_of(key))
        if not await asyncio.to_thread(path.exists):
            raise FileNotFoundError(path)
        try:
            with self._named():
                await obstore.put_async(self._store, name, path)
        except FileNotFoundError as error:  # what the store answers where there is no such bucket
            raise StorageRefused(f"The object store {self._place} is not there: {_first_line(error)}") from error

    async def fetch(self, key: str, into: Path) -> bool:
        name = "/".join(parts_of(key))
        partial = into.with_name(f"{into.name}.partial")
        try:
            with self._named(), writing_below(into.parent):
                found = await obstore.get_async(self._store, name)
                with partial.open("wb") as file:
                    async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                        await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(partial.replace, into)
        except FileNotFoundError:  # the library's own NotFoundError is one
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    async def delete(self, key: str) -> None:
        name = "/".join(parts_of(key))
        with suppress(FileNotFoundError), self._named():
            await obstore.delete_async(self._store, name)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Raise what the library's errors mean; that there is no such object stays FileNotFoundError."""
        try:
            yield
        except FileNotFoundError:
            raise
        except _WRONG as error:
            raise StorageRefused(f"The object store {self._place} refuses: {_first_line(error)}") from error
        except exceptions.BaseError as error:
            raise StorageUnreachable(f"The object store {self._place} does not answer: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
