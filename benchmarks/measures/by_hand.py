"""The same build as a script would do it: download, extract, send the context, read the engine's answer."""

import io
import json
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import httpx

from activities.adapters.docker.plain.answer import EngineAnswer
from activities.adapters.docker.plain.connection import BuildExchange
from benchmarks.api_client import NotMeasurable
from benchmarks.sources import Source
from benchmarks.stack import MADE_FOR, BenchStack

_READ_AT_ONCE = 1024 * 1024
_SILENCE_SECONDS = 30


@dataclass(frozen=True)
class HandBuild:
    milliseconds: float
    milliseconds_to_log: float  # until the log's first bytes were there


def _ignore(_log: bytes) -> None:
    return


class HandBuilder:
    """Blocks; use it in a thread, as a `with`. Its connection to the source host stays warm, as Slipway's does."""

    def __init__(self, bench: BenchStack) -> None:
        self._engine_url = bench.settings.engine_url
        self._prefix = bench.prefix
        self._buildx = bench.buildx
        token = bench.environment["GITHUB_TOKEN"]
        self._source_host = httpx.Client(
            base_url=bench.environment["GITHUB_API_URL"],
            headers={"Authorization": f"Bearer {token}"},
            follow_redirects=True,
            trust_env=False,
            timeout=_SILENCE_SECONDS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._source_host.close()

    def build(
        self, source: Source, build_args: Mapping[str, str] | None = None, on_log: Callable[[bytes], None] = _ignore
    ) -> HandBuild:
        """Build, and hand the log's bytes on as they come. Raises NotMeasurable when no image comes out."""
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            context = _context(self._extracted(source, Path(folder)))
        answer, first_log = EngineAnswer(), 0.0
        with closing(BuildExchange(self._engine_url, f"/build?{self._query(source, build_args)}")) as exchange:
            exchange.open()
            exchange.send(context)
            exchange.end_request()
            for raw in _pieces(exchange):
                if log := answer.feed(raw):
                    first_log = first_log or time.perf_counter()
                    on_log(log)
                if answer.is_whole:
                    break
        on_log(answer.finish())
        if answer.image_id is None:
            raise NotMeasurable(f"the build of {source.repo} by hand made no image: {answer.error}")
        ended = time.perf_counter()
        return HandBuild((ended - began) * 1000, (first_log - began) * 1000)

    def build_by_client(self, source: Source, build_args: Mapping[str, str]) -> HandBuild:
        """Build as a script with Docker's plugin would. The log is not looked at."""
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            words = [str(self._buildx), "build", "--progress=quiet", f"--tag={self._tag(source)}"]
            words += [f"--label={MADE_FOR}={self._prefix}", *(f"--build-arg={n}={v}" for n, v in build_args.items())]
            environment = {"DOCKER_HOST": self._engine_url, "DOCKER_CONFIG": folder, "HOME": folder}
            environment |= {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDX_METADATA_PROVENANCE": "disabled"}
            words.append(str(self._extracted(source, Path(folder))))
            done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise NotMeasurable(f"the build of {source.repo} by buildx made no image: {done.stderr}")
        milliseconds = (time.perf_counter() - began) * 1000
        return HandBuild(milliseconds, milliseconds)

    def _tag(self, source: Source) -> str:
        return f"{self._prefix}/by-hand/{source.repo}:{source.tag}"

    def _extracted(self, source: Source, folder: Path) -> Path:
        archive = folder / "source.tar.gz"
        with self._source_host.stream("GET", f"/repos/{source.repo}/tarball/{source.commit}") as answer:
            answer.raise_for_status()
            with archive.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
        with tarfile.open(archive) as tar:
            tar.extraction_filter = _as_it_is  # the argument `filter` came with 3.11.4 only
            tar.extractall(folder / "tree")  # the sandbox's own
        return next((folder / "tree").iterdir())

    def _query(self, source: Source, build_args: Mapping[str, str] | None) -> str:
        return urlencode(
            {
                "version": "2",
                "t": self._tag(source),
                "labels": json.dumps({MADE_FOR: self._prefix}),
                "buildargs": json.dumps(dict(build_args or {})),
            }
        )


def _as_it_is(member: tarfile.TarInfo, _: str) -> tarfile.TarInfo:
    return member


def _pieces(exchange: BuildExchange) -> Iterator[bytes]:
    yield exchange.answer()
    buffer = memoryview(bytearray(_READ_AT_ONCE))
    while count := exchange.read_into(buffer):
        yield bytes(buffer[:count])


def _context(tree: Path) -> bytes:
    packed = io.BytesIO()
    # the engine takes a pax header at the very beginning for text
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(tree, arcname=".")
    return packed.getvalue()
