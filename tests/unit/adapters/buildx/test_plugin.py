"""Which program counts as the plugin."""

from pathlib import Path

import pytest

from activities.adapters.docker.buildx.plugin import BuildxPlugin, chosen_buildx
from models.rules.errors.engine import EngineRefused


def program(folder: Path, words: str) -> Path:
    path = folder / "docker-buildx"
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("github.com/docker/buildx v0.13.0 deadbeef", "0.13.0"),
        ("github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4", "0.29.1+ds1"),
        ("github.com/docker/buildx v1.0.0", "1.0.0"),
    ],
)
def test_a_plugin_at_a_path_is_taken_when_it_is_new_enough(tmp_path: Path, said: str, version: str) -> None:
    path = program(tmp_path, f"echo '{said}'")
    assert chosen_buildx(str(path), tmp_path) == BuildxPlugin(path, version)


@pytest.mark.parametrize(
    "words", ["echo github.com/docker/buildx v0.12.1", "echo hello", "exit 1", "echo v0.29.1; exit 1", "kill -9 $$"]
)
def test_what_is_too_old_or_does_not_run_is_refused_by_its_path(tmp_path: Path, words: str) -> None:
    path = program(tmp_path, words)
    with pytest.raises(EngineRefused, match=f"SLIPWAY_BUILDX names {path}"):
        chosen_buildx(str(path), tmp_path)


def test_a_path_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="SLIPWAY_BUILDX"):
        chosen_buildx(str(tmp_path / "nothing"), tmp_path)


def test_off_is_none_whatever_is_there(tmp_path: Path) -> None:
    assert chosen_buildx("off", tmp_path) is None


def test_auto_finds_what_was_brought_into_the_data_folder_unless_the_system_has_one(tmp_path: Path) -> None:
    own = tmp_path / "docker-buildx/usr/libexec/docker/cli-plugins"
    own.mkdir(parents=True)
    program(own, "echo v0.29.1")
    found = chosen_buildx("auto", tmp_path)
    assert found is not None
    assert found.version
