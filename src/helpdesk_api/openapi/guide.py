"""What the document says in prose: the guide at its head and a sentence or two for each tag.

The order of the tags is the order in which a newcomer meets things. What an operation does is written at its route.
"""

TITLE = "helpdesk-api"
VERSION = "0.1.0"
SUMMARY = "An API-first, headless, multi-tenant help desk."

CONTACT = {"name": "The helpdesk-api maintainers"}
LICENCE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
SERVERS = [{"url": "/", "description": "The server that this document was read from."}]

DESCRIPTION = """\
Tickets with SLA clocks, the companies and contacts behind them, a gap-free feed of events and signed webhooks.

## Authentication

Send an API key with every request: `Authorization: Bearer <key>`. A key belongs to one tenant and has permissions such
as `tickets:read`, or stands for a user, a contact or a role. People sign in (`/v1/sign-in/…`) and send the access token
of their session in the same way; the refresh token, which works once, gives the next. Each operation names the
permission it needs, `GET /v1/me` tells which ones the caller has. What the caller may not see does not exist for it:
the answer is 404, as for an id that nobody has. Fields marked `x-field-group` are empty or masked for callers without
that group.

## Errors

Everything but success is answered with a problem document (RFC 9457, `application/problem+json`). Programs switch on
`code`, which never changes; `GET /problems/{code}` explains it. `errors` points at the places in the request that were
refused, `params` holds the values used in the text, and `request_id` finds the request in the server's log. Every
answer also carries it as `X-Request-Id`; a request may bring its own.

## Repeating writes safely

A POST, PATCH or DELETE takes an `Idempotency-Key` of up to 255 characters, such as a UUID. Repeated with the same key
within 24 hours, a write has one effect: the first answer comes again, with `Idempotency-Replayed: true`. The same key
with another request is refused (422), and while the first is still running so is its twin (409). The header is listed
with every operation that takes it: all but those that take a file, that sign in or change how one does, and the
addresses that other systems post to, which know a repetition by what it says. An answer that
shows a secret is kept sealed, and comes again only for the credential text that asked for it. Whose rights have changed
since is told that the write was done, and where (409 `answer_withheld`).

## Rate limits

Requests are counted for the credential and for its tenant, and those without a good credential for the address they
come from. `RateLimit-Policy` and `RateLimit` tell on every answer how many there are and how many are left. One too
many is refused (429); `Retry-After` says when the next one will be answered. A quota refills evenly: after a burst
there is one request at a time, not silence until the next minute.

## Lists

Lists come in pages: `limit` (50, at most 200) and `cursor`, which is `next_cursor` or `prev_cursor` of another page of
the same list. `sort=-created_at` names keys, `-` for descending. Filters are query parameters: repeat one for "any of"
(`status=new&status=open`), and give ranges with brackets (`created_at[gte]=2026-01-01T00:00:00Z`). Parameters that are
not listed are refused, by every operation. `include=company,contact` sends related objects along under `included`, each
once, by id.

## Versions

Every object has a `version` that grows by one with each change, and its `ETag` is that version: `"v7"`. Send it back as
`If-Match` to change only what you have seen (412 otherwise), or as `If-None-Match` to be told 304 when nothing is new.
PATCH is a merge patch (RFC 7396): null empties, absent keeps, lists are replaced.

## Data

Names are in snake case. Instants are RFC 3339 with an offset and are shown in UTC; durations are whole `_seconds`.
Every field of an answer is always there; null means empty. Fields and new values of open lists (statuses, event types)
may be added within `/v1`, so ignore what you do not know.

## Time

A sandbox tenant lives by a test clock that moves only when told to: `POST /v1/test-clock/advance` fires every deadline
in between, in order and at its own instant, so that a month of SLA behaviour can be tested in one call.

## Events and webhooks

Every change is recorded as an event. `GET /v1/events` gives them in the order in which they were committed, without
gaps; webhook endpoints receive the same events, signed by Standard Webhooks 1.0, at least once, and per
object in their order where the endpoint is `ordered`.
"""

TAGS = {
    "tickets": "Requests of clients, with their SLA clocks.",
    "ticket-links": "What is part of, duplicates, blocks, is caused by or relates to what.",
    "ticket-watchers": "Who watches tickets beside those who work on them.",
    "ticket-settings": "What becomes of linked tickets when one of them is finished.",
    "ticket-plans": "Recurring tickets and maintenance: when tickets are opened by themselves, and for what.",
    "ticket-plan-occurrences": "What came of each occurrence of a plan.",
    "comments": "What is said on a ticket: public replies and internal notes.",
    "companies": "The clients.",
    "contacts": "The people at the clients who ask for help.",
    "locations": "The places of the clients that are served.",
    "asset-types": "Kinds of equipment, and by which numbers each piece is told apart.",
    "asset-relations": "What depends on, runs on, is part of, stands in for or is connected to what.",
    "assets": "The equipment of the clients: what it is, whose, where it is and has been.",
    "teams": "Groups of users that tickets are assigned to.",
    "users": "The staff: who tickets are assigned to and who answers.",
    "calendars": "When the service company works; business time is counted by them.",
    "rules": "What is done to tickets by itself, in order, within the change that gave the occasion.",
    "rule-runs": "What came of each rule that was tried: what its condition answered and what it changed.",
    "files": "Files that hang on tickets and comments, and are seen by whoever sees those.",
    "macros": "Named lists of actions that people apply to tickets, with their own rights.",
    "condition-fields": "What conditions of searches, rules and webhook endpoints can ask about.",
    "services": "What is offered to clients, and who may ask for it.",
    "coverage-settings": "What becomes of tickets that no contract covers.",
    "contracts": "What has been agreed with clients: what applied when, as known when.",
    "ticket-lines": "Work, services and parts on tickets: what they cost, who pays, what they were drawn from.",
    "acts": "What was done and what it comes to, as documents that stay what they are.",
    "price-lists": "Prices in one currency, and whom they are for.",
    "price-items": "What costs how much, and which price holds for whom.",
    "entitlements": "How much of what clients may use under contracts, what was used, and what is left.",
    "sla-policies": "Promises of how fast tickets are answered and resolved, tried in order.",
    "events": "Everything that happened, in the order in which it was committed.",
    "webhook-endpoints": "Where events are sent.",
    "webhook-deliveries": "What was sent to an endpoint, how often, and what it answered.",
    "inbound-hooks": "Addresses that monitoring and other systems send alerts to, and what becomes of those.",
    "inbound-messages": "What came in through hooks, as it came, and what became of it.",
    "sign-in": "Signing in as a person, and keeping a session up. Needs no credential.",
    "identity-providers": "Whose word is taken for who the staff are (OpenID Connect).",
    "sessions": "Where people are signed in.",
    "sign-in-settings": "Where the front ends of the tenant are, for the links in its e-mail.",
    "api-keys": "Credentials of integrations and front ends.",
    "retention-settings": "For how long what is kept, and what would go.",
    "retention-runs": "What was removed when, under which rules.",
    "outbound-emails": "What was sent to whom; a sandbox sends nothing and keeps what it would have sent.",
    "test-clock": "The time of a sandbox tenant.",
    "service": "The service itself: health, and what its problem codes mean. Needs no key.",
}
