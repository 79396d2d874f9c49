// Verifies webhooks by the published library, as a receiver in JavaScript does: reads a list of received messages with
// the secret of their endpoint, and prints for each whether it verifies.

import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

const received = JSON.parse(await text(process.stdin));

const verdicts = received.map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return "verified";
  } catch (error) {
    return error.name;
  }
});

console.log(JSON.stringify(verdicts));
