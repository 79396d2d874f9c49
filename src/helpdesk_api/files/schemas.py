"""What the API shows of files."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from helpdesk_api.kit.schema import Entity, Output

MOST_ATTACHED = 20

FileIds = Annotated[
    list[UUID],
    Field(
        max_length=MOST_ATTACHED,
        description="Files that the caller has uploaded to `POST /v1/files` and that hang on nothing yet.",
    ),
]


class Attachment(TypedDict):
    """A file, as that shows it which it hangs on."""

    id: Annotated[str, Field(json_schema_extra={"format": "uuid"}, description="See `GET /v1/files/{id}`.")]
    name: str
    media_type: Annotated[str, Field(description="What the sender said that it is.")]
    size_bytes: int
    sha256: Annotated[str, Field(description="Of the content, in hexadecimal.")]


class File(Entity):
    """A file that was uploaded. Its content never changes."""

    name: Annotated[str, Field(description="As it was given, made harmless: its last part, in one line, in NFC.")]
    media_type: Annotated[str, Field(description="What the sender said that it is; nothing relies on it.")]
    detected_media_type: Annotated[str | None, Field(description="What its first bytes say; null if they say nothing.")]
    size_bytes: int
    sha256: Annotated[str, Field(description="Of the content, in hexadecimal; also the entity tag of the content.")]
    uploaded_by_type: Annotated[str, Field(examples=["user", "contact", "api_key"])]
    uploaded_by_id: UUID
    ticket_id: Annotated[UUID | None, Field(description="The ticket on which it hangs; null while on nothing.")]
    comment_id: Annotated[UUID | None, Field(description="The comment of that ticket on which it hangs, if it does.")]
    attached_at: AwareDatetime | None


class FileLink(Output):
    """What a browser downloads a file by, which can send no header."""

    shows_secret = True

    path: Annotated[
        str,
        Field(
            description="Beneath the address of the API. Good as often as it is asked for until it expires.",
            examples=["/v1/files/0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48/content?link=<sealed>"],
        ),
    ]
    expires_at: AwareDatetime


FILE_EXAMPLE = {
    "name": "label-printer.jpg",
    "media_type": "image/jpeg",
    "detected_media_type": "image/jpeg",
    "size_bytes": 482113,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "uploaded_by_type": "contact",
    "uploaded_by_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11",
    "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "comment_id": None,
    "attached_at": "2026-11-23T09:00:00Z",
}
FILE_EXAMPLES = {
    "FileLink": {
        "path": "/v1/files/0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48/content?link=<sealed>",
        "expires_at": "2026-11-23T09:35:00Z",
    }
}
ATTACHMENT_EXAMPLE = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48",
    **{name: FILE_EXAMPLE[name] for name in ("name", "media_type", "size_bytes", "sha256")},
}
