"""What operations share word for word: header parameters, headers of answers, and what each status means."""

from collections.abc import Mapping
from typing import Any

_TAG = {"type": "string", "examples": ['"v7"']}

PARAMETERS: Mapping[str, Any] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": (
            "Makes the write safe to repeat: with the same key it has one effect for 24 hours, and the first answer "
            "comes again. Any visible ASCII, such as a UUID, bare or in quotes."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "The entity tag that was read; refused with 412 when the object has changed since.",
        "schema": _TAG,
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The entity tag that the client holds; answered with 304 when it is still current.",
        "schema": _TAG,
    },
    "ViewAs": {
        "name": "X-View-As",
        "in": "header",
        "required": False,
        "description": (
            "Answers as it would answer somebody else: `contact:<id>`, `user:<id>`, `role:<id>` or `api_key:<id>`. "
            "Needs `view-as:use`, never shows more than the caller sees, and is recorded as an event."
        ),
        "schema": {"type": "string", "maxLength": 60},
    },
    "WebhookId": {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "description": "The id of the event, the same for every attempt: what was seen before can be dropped.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
    },
    "WebhookTimestamp": {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "description": "When this attempt was made, in seconds since 1970; refuse what is older than five minutes.",
        "schema": {"type": "integer"},
        "example": 1795426200,
    },
    "WebhookSignature": {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "description": (
            "One or more signatures, separated by spaces: `v1,` and the base64 of HMAC-SHA256 over "
            "`{webhook-id}.{webhook-timestamp}.{body}` with the endpoint's secret, `v1a,` and the ed25519 signature of "
            "the same. One that fits is enough; there are two of each while a secret is being replaced."
        ),
        "schema": {"type": "string"},
        "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
    "WebhookPayloadVersion": {
        "name": "webhook-payload-version",
        "in": "header",
        "required": True,
        "description": (
            "The form of the message: the `payload_version` of the endpoint. Described here is the newest; "
            "`GET /v1/event-types?payload_version=` gives the schemas of every other."
        ),
        "schema": {"type": "string"},
        "example": "2026-11-22",
    },
}

HEADERS: Mapping[str, Any] = {
    "X-Request-Id": {
        "description": "Names this request in the server's log; that of the request, if it brought one.",
        "required": True,
        "schema": {"type": "string"},
        "example": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60",
    },
    "ETag": {
        "description": "The version of the object as an entity tag, for `If-Match` and `If-None-Match`.",
        "required": True,
        "schema": {"type": "string"},
        "example": '"v7"',
    },
    "Location": {
        "description": "The path of what was created, of what tells how far it is, or of what stands for it now.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/v1/tickets/0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    },
    "Idempotency-Replayed": {
        "description": "`true` when this is the stored answer to an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "After how many seconds a repetition may succeed; absent when none will.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
    "RateLimit-Policy": {
        "description": (
            "The quotas that this request was counted for: `q` requests come back within `w` seconds. Absent when the "
            "server sets no limits."
        ),
        "schema": {"type": "string"},
        "example": '"credential";q=6000;w=60, "tenant";q=30000;w=60',
    },
    "RateLimit": {
        "description": "What is left of each quota: `r` requests now, and all of them again in `t` seconds.",
        "schema": {"type": "string"},
        "example": '"credential";r=5999;t=1, "tenant";r=29990;t=1',
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string"},
        "example": "Bearer",
    },
}

RATE_LIMIT_HEADERS = ("RateLimit-Policy", "RateLimit")

# Answers that say where to look, beside every 201.
LOCATED = frozenset(
    {("test_clock_advance", "202"), ("webhook_endpoints_recover", "202"), ("webhook_endpoints_replay", "202")}
)

SUCCESS_TEXT: Mapping[str, str] = {
    "page": "One page.",
    "post 204": "Done; there is nothing to tell.",
    "get 200": "What was asked for, as it is now.",
    "post 200": "Done; this is the result.",
    "post 202": "Accepted; it is done in the background.",
    "post 207": "Done for each by itself; `results` tells which succeeded.",
    "post 201": "Created; `Location` tells where.",
    "put 200": "It was known; this is the result.",
    "put 201": "It was new; `Location` tells where it is.",
    "patch 200": "The object after the change.",
    "delete 204": "Deleted.",
    "delete 200": "The object as it is until it is deleted.",
}

STATUS_TEXT: Mapping[str, str] = {
    "308": "It was merged into another object, which is at the `Location`.",
    "400": "The request cannot be read.",
    "401": "Valid credentials are required.",
    "403": "The credential does not permit this.",
    "404": "There is no such thing, or the caller may not know of it.",
    "408": "The body did not arrive in time.",
    "409": "The present state does not allow this.",
    "410": "This is no longer available.",
    "412": "The object has changed since it was read.",
    "413": "The request is too large.",
    "415": "The media type of the body is not supported.",
    "422": "The request can be read, but a value in it is not acceptable.",
    "429": "Too many requests.",
    "503": "The service cannot answer just now; repeat the request.",
    "default": "Any other problem.",
}
