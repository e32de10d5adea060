"""A hostile source changes nothing outside the build's own folder, and ends as a failed build that says why."""

from pathlib import Path

import pytest

from tests.support.engine.hostile_archives import HOSTILE
from tests.support.servers.product import Product

_QUICK = "FROM busybox:1.36\nRUN true\n"
# one of each sort: the others differ only in what tests/unit/activities/source_archive/ looks at
_KINDS = (
    "parents in a name",
    "absolute name",
    "hard link out",
    "file below a link out",
    "block device",
    "NUL in a pax name",
    "10 GB from 10 MB",
    "a million entries",
)


@pytest.mark.parametrize("kind", _KINDS)
async def test_a_hostile_archive_fails_the_build(product: Product, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "hostile.tar.gz"
    HOSTILE[kind](archive)
    name = "hostile-" + "".join(sign if sign.isalnum() else "-" for sign in kind.lower())
    commit = product.repository(name, {"Dockerfile": _QUICK})
    (await product.sandbox.put(f"/_sandbox/tarballs/{name}", content=archive.read_bytes())).raise_for_status()
    await product.fault(route="codeload", repo=f"e2e/{name}", tarball=name)
    before = _outside(product)
    try:
        row = await product.settled((await product.order(name, commit))["id"], seconds=180)
    finally:
        await product.clear_faults()
    assert row["build_status"] == "failed"
    assert row["build_error"]
    assert "fault of Slipway itself" not in row["build_error"]
    assert _outside(product) == before
    assert product.temporary_files() == []


@pytest.mark.parametrize(
    ("name", "files", "path", "says"),
    [
        ("df-missing", {"README": "no Dockerfile"}, "Dockerfile", "Dockerfile"),
        ("df-folder", {"Dockerfile/inner": "a folder"}, "Dockerfile", "Dockerfile"),
    ],
)
async def test_a_dockerfile_that_is_none_fails_the_build(
    product: Product, name: str, files: dict[str, str], path: str, says: str
) -> None:
    commit = product.repository(name, files)
    row = await product.settled((await product.order(name, commit, dockerfile_path=path))["id"])
    assert row["build_status"] == "failed"
    assert says in row["build_error"]


async def test_a_dockerfile_that_links_out_of_its_context_fails_the_build(product: Product) -> None:
    folder = product.data_dir / "sandbox" / "e2e" / "df-link"
    product.repository("df-link", {"Dockerfile.real": _QUICK}, tag="v0")
    (folder / "service").mkdir()
    (folder / "service" / "Dockerfile").symlink_to("../Dockerfile.real")
    commit = product.repository("df-link", {"README": "a link"})
    row = await product.settled((await product.order("df-link", commit, dockerfile_path="service/Dockerfile"))["id"])
    assert row["build_status"] == "failed"
    assert "link" in row["build_error"]


async def test_a_page_of_another_origin_cannot_start_a_build(product: Product) -> None:
    commit = product.repository("csrf", {"Dockerfile": _QUICK})
    body = {"repo": "e2e/csrf", "tag": "v1", "commit_sha": commit, "image_name": f"{product.prefix}/csrf"}
    foreign = (
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    )
    for headers, refused in foreign:
        answer = await product.api.post("/api/v1/images", json=body, headers=headers)
        assert answer.status_code == refused, headers
    assert await product.rows("SELECT 1 FROM docker_images WHERE name_key = $1", f"{product.prefix}/csrf") == []


def _outside(product: Product) -> set[str]:
    """Return the files around the build's folder that a hostile archive might want to write."""
    around = [
        *product.data_dir.parent.iterdir(),
        *product.data_dir.iterdir(),
        *(product.data_dir / "objects").rglob("*"),
    ]
    return {str(path) for path in around if "/logs/" not in str(path)}
