/**
 * Creates one ticket as an integrator's program would, with the types generated from the OpenAPI document.
 *
 * HELPDESK_URL names the server, HELPDESK_KEY is an API key; prints the created ticket as JSON.
 */

import { randomUUID } from "node:crypto";

import createClient from "openapi-fetch";

import type { components, paths } from "./generated/api.js";

type Problem = components["schemas"]["Problem"];
type Ticket = components["schemas"]["Ticket"];

function setting(name: string): string {
  const value = process.env[name];
  if (!value) {
    console.error(`Set ${name}.`);
    process.exit(2);
  }
  return value;
}

function fail(what: string, problem?: Problem): never {
  console.error(problem ? `${what}: ${problem.status} ${problem.code}: ${problem.detail}` : what);
  process.exit(1);
}

const client = createClient<paths>({
  baseUrl: setting("HELPDESK_URL"),
  headers: { Authorization: `Bearer ${setting("HELPDESK_KEY")}` },
});

const created = await client.POST("/v1/tickets", {
  params: { header: { "Idempotency-Key": randomUUID() } },
  body: {
    subject: "The printer on the second floor is out of toner",
    description: "It blinks amber since this morning.",
    priority: "high",
  },
});
if (created.error) fail("The ticket was not created", created.error);

const changed = await client.PATCH("/v1/tickets/{id}", {
  params: { path: { id: created.data.id }, header: { "If-Match": `"v${created.data.version}"` } },
  body: { status: "open", tags: ["printer"] },
});
if (changed.error) fail("The ticket was not changed", changed.error);

const stale = await client.PATCH("/v1/tickets/{id}", {
  params: { path: { id: created.data.id }, header: { "If-Match": `"v${created.data.version}"` } },
  body: { status: "solved" },
});
if (stale.error?.code !== "stale_version") fail("A change of an old version was not refused", stale.error);

const listed = await client.GET("/v1/tickets", {
  params: {
    query: {
      status: ["open"],
      tag: ["printer"],
      "created_at[gte]": created.data.created_at,
      sort: "-created_at",
      include: "company,assignee",
      limit: 10,
    },
  },
});
if (listed.error) fail("The tickets were not listed", listed.error);

const found: Ticket | undefined = listed.data.data.find((ticket) => ticket.id === created.data.id);
if (found?.version !== changed.data.version) fail("The list does not hold the ticket as it was changed");

console.log(JSON.stringify(found, null, 2));
