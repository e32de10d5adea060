"""The README's flow by the generated client: tags, an order, its log as it grows, the image, and a second order."""

import base64
import json
import sys
from http import HTTPStatus
from typing import TypeVar

from httpx_sse import connect_sse
from slipway_client import Client
from slipway_client.api.images import list_github_tags, list_images, order_image, read_log, show_image
from slipway_client.models import EndedBuild, ImageAnswer, ImageRequest, Problem, TagsAnswer, WrittenBytes, WrittenText

Wanted = TypeVar("Wanted")


def told(answer: object, kind: type[Wanted]) -> Wanted:
    """Return the answer when it is of this kind, and raise what was said instead."""
    if not isinstance(answer, kind):
        raise TypeError(f"no {kind.__name__}: {answer}")
    return answer


def follow(client: Client, image_id: int) -> tuple[str, EndedBuild, int]:
    """Read the log to its end; return it, the end, and what who comes back after that is told."""
    path, log = f"/api/v1/images/{image_id}/log/stream", bytearray()
    http = client.get_httpx_client()
    with connect_sse(http, "GET", path) as events:
        for event in events.iter_sse():
            data = json.loads(event.data)
            if event.event == "end":
                break
            if event.event == "attempt":
                log.clear()
            elif "text" in data:
                log += WrittenText.from_dict(data).text.encode()
            else:
                log += base64.b64decode(WrittenBytes.from_dict(data).base64)
    back = http.get(path, headers={"Last-Event-ID": event.id})
    return log.decode(), EndedBuild.from_dict(data), back.status_code


def main(url: str, image_name: str) -> None:
    with Client(base_url=url) as client:
        tags = told(list_github_tags.sync(client=client, repo="demo/hello"), TagsAnswer)
        newest = tags.tags[0]
        order = ImageRequest("demo/hello", newest.name, newest.commit.sha, image_name)
        ordered = told(order_image.sync(client=client, body=order), ImageAnswer)
        followed, end, stopped_by = follow(client, ordered.id)
        image = told(show_image.sync(ordered.id, client=client, wait=60), ImageAnswer)
        log = told(read_log.sync(ordered.id, client=client), str)
        again = order_image.sync_detailed(client=client, body=order)
        assert again.status_code == HTTPStatus.CONFLICT
        listed = told(list_images.sync(client=client, name=image_name, tag=newest.name), list)
    found = {
        "tags": [tag.name for tag in tags.tags],
        "truncated": tags.truncated,
        "image": image.to_dict(),
        "log": log,
        "followed": followed,
        "end": end.to_dict(),
        "stopped_by": stopped_by,
        "refusal": told(again.parsed, Problem).to_dict(),
        "leads_to": again.headers["Location"],
        "listed": [each.id for each in listed],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
