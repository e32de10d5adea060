"""Repositories as strangers have them: what `docker build` takes from a clone is taken, and what it hides is said."""

import json
from typing import Any

import pytest

from tests.support.servers.product import Product

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 123456\n"


async def built(product: Product, name: str, commit: str, **order: Any) -> dict[str, Any]:
    row = await product.settled((await product.order(name, commit, **order))["id"])
    assert row["build_status"] == "success", row["build_error"]
    return row


async def test_a_repository_full_of_oddities_is_built_as_docker_builds_it(product: Product) -> None:
    links = {
        "venv/bin/python3": "/Library/Frameworks/python3",
        "rootfs/etc/localtime": "/usr/share/zoneinfo/UTC",
        "app/up": "../../../../etc/passwd",
        "circle": "circle",
    }
    files: dict[str, str | bytes] = {
        "01-Einführung.md": "first",
        "Icon\r": "",
        "a\nb": "",
        ".dockerignore": b"# caf\xe9\nsecret\n",
        "secret": "",
        "Dockerfile": f"{product.base}COPY . /app\nRUN cd /app && ls && ! test -e secret"
        " && test -e 01-Einführung.md && for link in venv/bin/python3 rootfs/etc/localtime app/up circle; do"
        " readlink $link; done\n",
    }
    commit = product.repository("oddities", files, links=links)
    row = await built(product, "oddities", commit)
    assert "\n".join(links.values()) in row["build_log"]
    assert row["notices"] == []


async def test_the_archive_of_another_product_is_not_judged(product: Product) -> None:
    files = {"app/Dockerfile": f"{product.base}COPY . /app\nRUN ls -a /app\n", "app/x": "", "README": "not of the app"}
    commit = product.repository("several", files, links={"other/python3": "/usr/bin/python3"})
    row = await built(product, "several", commit, dockerfile_path="app/Dockerfile")
    assert "\n.\n..\nDockerfile\nx\n" in row["build_log"]


async def test_what_github_leaves_out_of_its_archives_is_said_on_the_image(product: Product) -> None:
    files: dict[str, str | bytes] = {
        "Dockerfile": f"{product.base}COPY . /app\n",
        "model.bin": POINTER,
        ".gitmodules": '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://example.com/lib\n',
        ".gitattributes": "/docs export-ignore\n",
        "docs/index.md": "left out",
    }
    commit = product.repository("lacking", files, submodules=["vendor/lib"])
    row = await built(product, "lacking", commit)
    pointers, modules, left_out = row["notices"]
    assert pointers.endswith("a pointer, not the contents GitHub shows: 'model.bin'.")
    assert modules == "Submodules are empty in GitHub's archives, and so in the build's context: 'vendor/lib'."
    assert left_out.endswith("so it is not in the build's context: '/docs'.")
    [build] = await product.rows("SELECT notices FROM builds WHERE id = $1::uuid", row["build_id"])
    assert json.loads(build["notices"]) == row["notices"]


async def test_notices_are_said_of_a_failed_build_too(product: Product) -> None:
    files: dict[str, str | bytes] = {
        "Dockerfile": f"{product.base}COPY vendor/lib/setup.py /\n",
        ".gitmodules": '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://example.com/lib\n',
    }
    commit = product.repository("lacking-more", files, submodules=["vendor/lib"])
    row = await product.settled((await product.order("lacking-more", commit))["id"])
    assert row["build_status"] == "failed"
    assert [notice for notice in row["notices"] if "'vendor/lib'" in notice]


@pytest.mark.parametrize(
    ("name", "attributes", "asked", "says"),
    [
        ("exported", "Dockerfile export-ignore\n", "Dockerfile", ".gitattributes, line 1, marks 'Dockerfile'"),
        ("exported-folder", "*.md text\n/docker export-ignore\n", "docker/Dockerfile", "line 2, marks '/docker'"),
    ],
)
async def test_a_dockerfile_that_githubs_archive_leaves_out_is_said_to_be(
    product: Product, name: str, attributes: str, asked: str, says: str
) -> None:
    commit = product.repository(name, {asked: "FROM scratch\n", ".gitattributes": attributes})
    row = await product.settled((await product.order(name, commit, dockerfile_path=asked))["id"])
    assert row["build_status"] == "failed"
    assert "GitHub's archives leave it out" in row["build_error"]
    assert says in row["build_error"]
