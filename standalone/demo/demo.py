"""`make demo`: from nothing to an image that answers, told as it happens."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console

from standalone.demo.event_stream import follow_log
from standalone.demo.trial_run import answer_of, exposed_port
from standalone.errors import CannotStart
from standalone.lifecycle import show_urls
from standalone.loopback_http import loopback_client
from standalone.stack import Stack

REPOSITORY, TAG = "demo/hello", "v1.1.0"
_CONFLICT = 409
_SILENCE = timedelta(seconds=60)  # the API's streams say something at least this often
_ANSWERS_WITHIN = timedelta(seconds=20)
Image = dict[str, Any]


class Story:
    """Says which part has begun, and remembers how long each took."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self._took: list[tuple[str, float]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.screen.print(f"\n[bold cyan]▸ {name}[/]")
        began = time.monotonic()
        yield
        self._took.append((name, time.monotonic() - began))

    def show_times(self) -> None:
        self.screen.print("\n[bold]How long it took[/]")
        for name, seconds in (*self._took, ("all", sum(seconds for _, seconds in self._took))):
            self.screen.print(f"  {seconds:6.1f} s  {name}")


async def demo(stack: Stack, engine_url: str, story: Story) -> None:
    """Build the sample product's tag through the API of a stack that is up, and try the image. Raises CannotStart."""
    async with loopback_client(_SILENCE) as http:
        http.base_url = httpx.URL(stack.urls["API"])
        instance = str((await _answer(http, "GET", "/status"))["instance"])
        name = f"hello-{instance[:8]}"
        with story.part(f"Build {REPOSITORY} {TAG} into {name}:{TAG}"):
            image = await _order(http, name, story.screen)
            await follow_log(http, image["id"], lambda text: story.screen.out(text, end="", style="dim"))
            image = await _answer(http, "GET", f"/api/v1/images/{image['id']}")
    if image["build_status"] != "success":
        show_urls(stack, story.screen)
        raise CannotStart(f"The build failed: {image['build_error']}")
    reference = f"{image['name']}:{image['tag']}"
    with story.part(f"Run {reference}"):
        labels = {"slipway.instance": instance, "slipway.made_for": "demo"}
        port = await asyncio.to_thread(exposed_port, engine_url, reference)
        page = await asyncio.to_thread(answer_of, engine_url, reference, port, labels, _ANSWERS_WITHIN)
        story.screen.print(f"  it answers: {_first_words(page)}", markup=False)
    story.show_times()
    _show_result(stack, story.screen, image, f"docker run --rm -p 127.0.0.1:8000:{port} {reference}")


async def _order(http: httpx.AsyncClient, name: str, screen: Console) -> Image:
    """Ask for the build and return its image; one that is being built already is followed instead."""
    order = {
        "repo": REPOSITORY,
        "tag": TAG,
        "commit_sha": await _commit(http),
        "image_name": name,
        "force_rebuild": True,
    }
    answer = await _request(http, "POST", "/api/v1/images", json=order)
    if answer.status_code != _CONFLICT:
        ordered: Image = _body(answer)
        return ordered
    images: list[Image] = await _answer(http, "GET", "/api/v1/images?limit=1000")
    known = [image for image in images if (image["name"], image["tag"]) == (name, TAG)]
    if not known:
        raise CannotStart(_problem(answer))
    screen.print("  it is being built already; following that build")
    return known[0]


async def _commit(http: httpx.AsyncClient) -> str:
    answer = await _request(http, "GET", f"/api/v1/images/github-tags?repo={REPOSITORY}")
    if answer.is_client_error:
        raise CannotStart(
            f"{REPOSITORY} is the sandbox's, and the API reads another GitHub ({_problem(answer)}):"
            " unset GITHUB_TOKEN and GITHUB_API_URL, `make down`, and run this again"
        )
    shas = [tag["commit"]["sha"] for tag in _body(answer)["tags"] if tag["name"] == TAG]
    if not shas:
        raise CannotStart(f"{REPOSITORY} has no tag {TAG}: somebody removed it from the sandbox's repository")
    return str(shas[0])


async def _answer(http: httpx.AsyncClient, method: str, path: str) -> Any:  # noqa: ANN401  # JSON of any shape
    return _body(await _request(http, method, path))


async def _request(http: httpx.AsyncClient, method: str, path: str, **rest: Any) -> httpx.Response:  # noqa: ANN401
    try:
        return await http.request(method, path, **rest)
    except httpx.TransportError as error:
        raise CannotStart(f"the API does not answer {method} {path}: {type(error).__name__} {error}") from error


def _body(answer: httpx.Response) -> Any:  # noqa: ANN401  # JSON of any shape
    if not answer.is_success:
        raise CannotStart(_problem(answer))
    return answer.json()


def _problem(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the API answers {answer.status_code} to {answer.request.method} {answer.request.url.path}"


def _first_words(page: str) -> str:
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL | re.IGNORECASE)
    return (title[1] if title else page).strip().splitlines()[0][:100]


def _show_result(stack: Stack, screen: Console, image: Image, try_it: str) -> None:
    reference = f"{image['name']}:{image['tag']}"
    workflow = f"{stack.urls['Temporal']}/namespaces/default/workflows/{quote(image['workflow_id'], safe='')}"
    screen.print(f"\n[bold green]✓ {reference}[/] is built: image {image['id']}, {image['docker_image_id']}")
    screen.print("\n[bold]Open next[/]")
    screen.print(f"  {'this build':<15} {stack.urls['API']}/api/v1/images/{image['id']}")
    screen.print(f"  {'its workflow':<15} {workflow}")
    show_urls(stack, screen)
    screen.print("\n[bold]Try it[/]")
    screen.print(f"  {try_it}", markup=False)
    screen.print("  make down", "       stops Slipway; its data and the image stay")
