"""Clients generated from the description type-check, and build an image as the README shows it.

What is generated is not kept in the repository: it takes a second, and could only be out of date there.
"""

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.tools import CLIENTS, ClientTools, client_tools
from tests.support.servers.product import Product

Flow = Callable[[ClientTools, Path, str, str], Awaitable[str]]


async def _typescript(tools: ClientTools, folder: Path, url: str, image_name: str) -> str:
    """Generate, type-check and compile the client and its flow, and run that."""
    for name in ("package.json", "tsconfig.json", "flow.ts"):
        shutil.copy(CLIENTS / "typescript" / name, folder)
    (folder / "node_modules").symlink_to(tools.node_modules)
    await tools.run("openapi-typescript", f"{url}/openapi.json", "--output", "schema.gen.ts", cwd=folder)
    await tools.run("tsc", "--project", ".", cwd=folder)
    return await tools.run("node", "out/flow.js", url, image_name, cwd=folder)


async def _python(tools: ClientTools, folder: Path, url: str, image_name: str) -> str:
    """Generate and type-check the client and its flow, and run that."""
    shutil.copy(CLIENTS / "python" / "flow.py", folder)
    settings, package = CLIENTS / "python" / "generator.yml", "slipway_client"
    generate = ("generate", "--url", f"{url}/openapi.json", "--config", settings, "--fail-on-warning")
    await tools.run("openapi-python-client", *generate, "--meta", "none", "--output-path", package, cwd=folder)
    await tools.run("mypy", "--strict", "flow.py", package, cwd=folder)
    return await tools.run("python", "flow.py", url, image_name, cwd=folder)


@pytest.mark.parametrize("flow", [_typescript, _python], ids=["typescript", "python"])
async def test_a_generated_client_type_checks_and_builds_an_image(product: Product, tmp_path: Path, flow: Flow) -> None:
    image_name = f"{product.prefix}/by-{flow.__name__.strip('_')}"
    url = str(product.api.base_url).rstrip("/")
    told: dict[str, Any] = json.loads(await flow(await client_tools(), tmp_path, url, image_name))
    image = told["image"]
    assert (told["tags"], told["truncated"]) == (["v1.1.0", "v1.0.0"], False)
    assert (image["name"], image["tag"], image["build_status"]) == (image_name, "v1.1.0", "success")
    assert product.engine.images.get(f"{image_name}:v1.1.0").id == image["docker_image_id"]
    assert told["log"].startswith("Step 1/")
    assert told["followed"] == told["log"] == image["build_log"]
    assert told["end"] == {"status": "success", "build_error": None, "log_notice": None}
    assert told["stopped_by"] == 204, "who heard the end and comes back is told to stop"
    refusal = told["refusal"]
    assert (refusal["status"], refusal["code"], refusal["build_status"]) == (409, "image_exists", "success")
    assert (refusal["image_id"], refusal["build_id"]) == (image["id"], image["build_id"])
    assert told["leads_to"] == f"/api/v1/images/{image['id']}"
    assert told["listed"] == [image["id"]]
