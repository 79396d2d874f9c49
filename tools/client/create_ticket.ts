/**
 * Creates one ticket as an integrator's program would, with the types generated from the OpenAPI document.
 *
 * HELPDESK_URL names the server, HELPDESK_KEY is an API key; prints the created ticket as JSON.
 */

import { randomUUID } from "node:crypto";

import createClient from "openapi-fetch";

import type { paths } from "./generated/api.js";

function setting(name: string): string {
  const value = process.env[name];
  if (!value) {
    console.error(`Set ${name}.`);
    process.exit(2);
  }
  return value;
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
if (created.error) {
  console.error(`${created.response.status}: ${JSON.stringify(created.error)}`);
  process.exit(1);
}

const read = await client.GET("/v1/tickets/{ticket_id}", { params: { path: { ticket_id: created.data.id } } });
if (read.error || read.data.number !== created.data.number) {
  console.error(`The created ticket cannot be read: ${JSON.stringify(read.error)}`);
  process.exit(1);
}

console.log(JSON.stringify(read.data, null, 2));
