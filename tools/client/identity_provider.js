/**
 * A real OpenID provider on this machine, for the test that signs in with one: the certified package oidc-provider.
 *
 * It prints its issuer once it listens and ends with its standard input. There it is told, by a line each, to `rotate` its
 * keys, or to live in the `past`, so that the tokens it gives are over; it answers with the line. Anybody may sign in
 * under any name: it is for tests on one machine.
 */

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { Provider } from "oidc-provider";

const REDIRECT = "http://127.0.0.1/signed-in";
const API = "urn:helpdesk-api";
const ID_TOKEN_SECONDS = 300;
const PAST_MILLISECONDS = 600_000;

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
}

function provider(issuer) {
  return new Provider(issuer, {
    clients: ["desk-front-end", "another-front-end"].map((client_id) => ({
      client_id,
      redirect_uris: [REDIRECT],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      application_type: "native",
      token_endpoint_auth_method: "none",
    })),
    jwks: { keys: [newKey()] },
    cookies: { keys: [randomUUID()] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    // As most providers do: what a front end asks for by scope stands in the ID token.
    conformIdTokenClaims: false,
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, email: `${sub}@service.example`, email_verified: true, name: "Grace Hopper" }),
    }),
    features: {
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: "api", audience: API, accessTokenFormat: "jwt" }),
        // The access token is for the API that was asked for, and not for the provider's own user information.
        useGrantedResource: () => true,
      },
    },
    ttl: { IdToken: ID_TOKEN_SECONDS },
  });
}

let serving;
const server = createServer((request, response) => serving.callback()(request, response));
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
serving = provider(issuer);
console.log(issuer);

// The package notes what one would set for production, among our lines.
console.info = () => {};

const now = Date.now;
for await (const told of createInterface({ input: process.stdin })) {
  if (told === "rotate") serving = provider(issuer);
  if (told === "past") Date.now = () => now() - PAST_MILLISECONDS;
  console.log(told);
}
process.exit(0);
