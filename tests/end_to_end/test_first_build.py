"""The main job: a GitHub tag becomes a Docker image."""

import asyncio
from typing import Any

import httpx

from activities.adapters.temporal import connect
from tests.support.log_reader import read_stream
from tests.support.servers.product import BUILD_SECRET, Product

_HELLO = 'RUN echo one && echo two >&2\nCMD ["echo", "hello"]\n'


async def test_a_client_that_builds_and_polls_gets_an_image_that_runs(product: Product) -> None:
    commit = product.repository("first", {"Dockerfile": product.base + _HELLO})
    row = await product.order("first", commit[:10])
    assert (row["build_status"], row["commit_sha"], row["built_at"]) == ("pending", commit[:10], None)
    while row["build_status"] not in {"success", "failed"}:
        await asyncio.sleep(0.5)
        row = await product.image(row["id"])
    assert row["build_status"] == "success", row
    assert row["commit_sha"] == commit
    assert row["built_at"].endswith("Z")
    assert "Step 2/2 : RUN echo one && echo two >&2\n" in row["build_log"]
    image = product.engine.images.get(f"{product.prefix}/first:v1")
    assert image.id == row["docker_image_id"]
    assert product.engine.containers.run(image, remove=True) == b"hello\n"
    assert product.temporary_files() == []


async def test_each_state_leaves_its_row_its_artifacts_and_its_variables(product: Product) -> None:
    commit = product.repository("trail", {"Dockerfile": product.base + _HELLO})
    row = await product.settled((await product.order("trail", commit))["id"])
    states = await product.rows(
        "SELECT state_code, attempt, status FROM build_states WHERE build_id = $1::uuid ORDER BY state_code",
        row["build_id"],
    )
    assert [tuple(state) for state in states] == [(code, 1, "completed") for code in (0, 10, 20, 40, 60, 80, 90, 100)]
    artifacts = await product.rows(
        "SELECT artifact_name, checksum FROM build_artifacts WHERE build_id = $1::uuid", row["build_id"]
    )
    assert {artifact["artifact_name"] for artifact in artifacts} == {"source_archive", "image"}
    assert all(len(artifact["checksum"]) == 64 for artifact in artifacts)
    found = await product.rows(
        "SELECT variable_key, variable_value FROM build_variables WHERE build_id = $1::uuid", row["build_id"]
    )
    variables = {variable["variable_key"]: variable["variable_value"] for variable in found}
    assert variables["commit_sha"] == commit
    assert variables["image_id"] == row["docker_image_id"]


async def test_temporal_shows_the_build_under_its_readable_id_and_holds_no_log(product: Product) -> None:
    dockerfile = f"{product.base}RUN echo a-line-of-the-log\n"
    commit = product.repository("history", {"Dockerfile": dockerfile})
    row = await product.settled((await product.order("history", commit, third_party_id="acme"))["id"])
    client = await connect(lazy=False, address=product.temporal_address)
    handle = client.get_workflow_handle(f"image-build/{product.prefix}/history:v1/1")
    await handle.result()  # the row knows of the success a moment before the run ends
    history = await handle.fetch_history()
    assert len(history.events) < 150
    text = history.to_json()
    assert "a-line-of-the-log" not in text
    assert "sandbox-token" not in text
    shown = {pair.key.name: pair.value for pair in (await handle.describe()).typed_search_attributes}
    expected = {
        "BuildId": row["build_id"],
        "BuildStatus": "succeeded",
        "BuildState": 100,
        "ImageName": f"{product.prefix}/history:v1",
        "ThirdPartyId": "acme",
        "BuildKind": "image",
    }
    assert {name: shown.get(name) for name in expected} == expected


async def test_dockerfile_in_a_sub_folder_target_and_build_args_are_honoured(product: Product) -> None:
    dockerfile = (
        f"{product.base.replace('busybox:1.36', 'busybox:1.36 AS small')}ARG WORD=none\n"
        'COPY here.txt /here.txt\nRUN cat /here.txt && echo "$WORD"\n'
        "FROM small AS large\nRUN echo never-built\n"
    )
    files = {"service/Dockerfile": dockerfile, "service/here.txt": "in the sub-folder\n", "outside.txt": "no\n"}
    commit = product.repository("nested", files)
    order: dict[str, Any] = {
        "dockerfile_path": "service/Dockerfile",
        "target": "small",
        "build_args": {"WORD": "$(id); `id` && 'x'"},
    }
    row = await product.settled((await product.order("nested", commit, **order))["id"])
    assert row["build_status"] == "success", row["build_error"]
    assert "in the sub-folder\n$(id); `id` && 'x'\n" in row["build_log"]
    assert "never-built" not in row["build_log"]


async def test_a_dockerfile_in_a_sub_folder_builds_from_the_context_that_is_asked_for(product: Product) -> None:
    dockerfile = f"{product.base}COPY app/here.txt docker/extra.txt /\nRUN cat /here.txt /extra.txt\n"
    files = {"docker/Dockerfile": dockerfile, "app/here.txt": "from the app\n", "docker/extra.txt": "from docker\n"}
    commit = product.repository("wide", files)
    row = await product.settled(
        (await product.order("wide", commit, dockerfile_path="docker/Dockerfile", context="."))["id"]
    )
    assert row["build_status"] == "success", row["build_error"]
    assert "from the app\nfrom docker\n" in row["build_log"]
    row = await product.settled(
        (await product.order("wide", commit, force_rebuild=True, dockerfile_path="docker/Dockerfile"))["id"]
    )
    assert row["build_status"] == "failed"
    assert "is not in the build's context, the folder 'docker'" in row["build_error"]


async def test_a_failing_step_is_described_and_the_row_is_used_again(product: Product) -> None:
    commit = product.repository("failing", {"Dockerfile": f"{product.base}RUN echo before; exit 3\n"})
    row = await product.settled((await product.order("failing", commit))["id"])
    assert row["build_status"] == "failed"
    assert row["build_error"].startswith("Docker build failed: exit code 3")
    assert "Step 2/2 : RUN echo before; exit 3" in row["build_error"]
    assert "before\n" in row["build_log"]
    failures = await product.rows(
        "SELECT state_code, exit_code, failing_step FROM build_failures WHERE build_id = $1::uuid", row["build_id"]
    )
    assert [tuple(failure) for failure in failures] == [(40, 3, "Step 2/2 : RUN echo before; exit 3")]
    other = product.repository("failing-moved", {"Dockerfile": product.base + _HELLO})
    body = {"repo": "e2e/failing-moved", "commit_sha": other, "image_name": f"{product.prefix}/failing"}
    again = (await product.api.post("/api/v1/images", json={"tag": "v1", **body})).json()
    assert again["id"] == row["id"]
    assert again["build_id"] != row["build_id"]
    assert (again["build_log"], again["build_error"], again["created_at"]) == (None, None, row["created_at"])
    assert (await product.settled(row["id"]))["build_status"] == "success"


async def test_force_rebuild_builds_a_success_again_and_cached_steps_say_so(product: Product) -> None:
    commit = product.repository("again", {"Dockerfile": product.base + _HELLO})
    first = await product.settled((await product.order("again", commit))["id"])
    body = {"repo": "e2e/again", "tag": "v1", "commit_sha": commit, "image_name": f"{product.prefix}/again"}
    refused = await product.api.post("/api/v1/images", json=body)
    assert refused.status_code == httpx.codes.CONFLICT
    assert str(first["id"]) in refused.json()["detail"]
    answer = await product.api.post("/api/v1/images?wait=60", json={**body, "force_rebuild": True})
    assert answer.status_code == httpx.codes.OK
    assert answer.json()["build_status"] == "success"
    assert "Step 2/2 : RUN echo one && echo two >&2\n ---> Using cache\n" in answer.json()["build_log"]


async def test_a_tag_that_names_another_commit_fails_the_build_naming_both(product: Product) -> None:
    commit = product.repository("mismatch", {"Dockerfile": product.base + _HELLO})
    row = await product.settled((await product.order("mismatch", "0" * 40))["id"])
    assert row["build_status"] == "failed"
    assert commit in row["build_error"]
    assert "0" * 40 in row["build_error"]


async def test_the_token_is_redacted_where_a_step_prints_it(product: Product) -> None:
    dockerfile = f"{product.base}RUN printf sandbox-; sleep 0.2; printf 'token\\n'; echo sandbox-token again\n"
    commit = product.repository("secretive", {"Dockerfile": dockerfile})
    row = await product.settled((await product.order("secretive", commit))["id"])
    stream = await read_stream(product.api, row["id"])
    assert b"sandbox-token" not in stream.data
    assert b"******\n****** again\n" in stream.data


async def test_a_build_secret_reaches_the_step_that_mounts_it_and_shows_nowhere(product: Product) -> None:
    mount = "--mount=type=secret,id=npm,required=true"
    dockerfile = f"{product.base}RUN {mount} cp /run/secrets/npm /tmp/x; wc -c </tmp/x; cat /tmp/x; rm /tmp/x\n"
    commit = product.repository("mounting", {"Dockerfile": dockerfile})
    row = await product.settled((await product.order("mounting", commit, secrets=["npm"]))["id"])
    assert row["build_status"] == "success", row["build_error"]
    assert row["build_log"].endswith(f"\n{len(BUILD_SECRET)}\n******")
    stream = await read_stream(product.api, row["id"])
    assert BUILD_SECRET not in f"{row} {stream.data!r}"


async def test_a_build_secret_that_the_builder_lacks_fails_the_build_in_words(product: Product) -> None:
    commit = product.repository("without-its-secret", {"Dockerfile": f"{product.base}RUN true\n"})
    row = await product.settled((await product.order("without-its-secret", commit, secrets=["pypi"]))["id"])
    assert row["build_status"] == "failed"
    assert row["build_error"] == (
        "This builder has no build secret named pypi; name its file in SLIPWAY_BUILD_SECRETS there."
    )
