// The README's flow by the generated client: tags, an order, its log as it grows, the image, and a second order.
import { EventSource } from "eventsource";
import createClient from "openapi-fetch";

import type { components, paths } from "./schema.gen.js";

type Schemas = components["schemas"];

interface Followed {
  log: string;
  end: Schemas["EndedBuild"];
  stoppedBy: number | undefined;
}

const [url, imageName] = process.argv.slice(2);
if (url === undefined || imageName === undefined) throw new Error("say where the API is, and what to call the image");
const client = createClient<paths>({ baseUrl: url });

function bytesOf(data: Schemas["WrittenText"] | Schemas["WrittenBytes"]): Buffer {
  return "text" in data ? Buffer.from(data.text) : Buffer.from(data.base64, "base64");
}

// It is not closed at `end`, as a page might forget to: it comes back by itself, and 204 tells it to stop.
function follow(imageId: number): Promise<Followed> {
  return new Promise((resolve, reject) => {
    const events = new EventSource(`${url}/api/v1/images/${imageId}/log/stream`);
    let pieces: Buffer[] = [];
    let end: Schemas["EndedBuild"] | undefined;
    const alive = setInterval(() => undefined, 1000); // while it waits to come back, nothing else keeps node running
    events.addEventListener("log", (event) => pieces.push(bytesOf(JSON.parse(event.data))));
    events.addEventListener("attempt", () => (pieces = []));
    events.addEventListener("end", (event) => (end = JSON.parse(event.data)));
    events.addEventListener("error", (error) => {
      if (events.readyState !== EventSource.CLOSED) return;
      clearInterval(alive);
      if (end === undefined) reject(new Error(`the stream stopped before the build did: ${error.message}`));
      else resolve({ log: Buffer.concat(pieces).toString(), end, stoppedBy: error.code });
    });
  });
}

function told<Data>(answer: { data?: Data; error?: Schemas["Problem"] | Schemas["ReadinessAnswer"] }): Data {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const { tags, truncated } = told(
  await client.GET("/api/v1/images/github-tags", { params: { query: { repo: "demo/hello" } } }),
);
const newest = tags[0];
if (newest === undefined) throw new Error("demo/hello has no tags");
const order: Schemas["ImageRequest"] = {
  repo: "demo/hello",
  tag: newest.name,
  commit_sha: newest.commit.sha,
  image_name: imageName,
};
const ordered = told(await client.POST("/api/v1/images", { body: order }));
const followed = await follow(ordered.id);
const image = told(
  await client.GET("/api/v1/images/{image_id}", {
    params: { path: { image_id: ordered.id }, query: { wait: 60 } },
  }),
);
const log = told(
  await client.GET("/api/v1/images/{image_id}/log", {
    params: { path: { image_id: ordered.id } },
    parseAs: "text",
  }),
);
const again = await client.POST("/api/v1/images", { body: order });
const listed = told(await client.GET("/api/v1/images", { params: { query: { name: imageName, tag: newest.name } } }));

console.log(
  JSON.stringify({
    tags: tags.map((tag) => tag.name),
    truncated,
    image,
    log,
    followed: followed.log,
    end: followed.end,
    stopped_by: followed.stoppedBy,
    refusal: again.error,
    leads_to: again.response.headers.get("Location"),
    listed: listed.map((each) => each.id),
  }),
);
